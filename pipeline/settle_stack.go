package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"deployer/state"
)

// settleStack brings what is kept of the stack up to date.
func (x *Execution) settleStack(tx *state.Tx, s *state.Stack, end ending, at time.Time) error {
	run := x.Run
	if !run.Kind.OfRelease() {
		return x.settleKeeper(tx, s, end, at)
	}
	if x.Project != nil {
		s.Reads = slices.Concat(x.Project.Reads, slices.Sorted(maps.Keys(x.checkFiles())), x.submodulesOfPaths())
		s.Paths = x.File.Paths
	}
	x.judgeHead(s, end)
	if err := x.tellReviews(tx, s); err != nil {
		return err
	}
	if x.guilty {
		x.quarantine(s)
	}
	switch {
	case run.Status == state.RunSucceeded:
		x.noteSchedule(s, at)
		return x.settleGood(tx, s, at)
	case end.stuck != "" && x.blamed(end) && (s.LastGood == nil || s.LastGood.ID != run.Release):
		x.quarantine(s)
	case run.Status == state.RunRolledBack:
		back := *end.back
		back.At = at
		s.Live = &back
		x.noteSchedule(s, at)
		return tx.WentLive(&back)
	case run.Status == state.RunRollbackFailed:
		s.Lock = &state.Lock{By: "deployer", At: at,
			Reason: fmt.Sprintf("run %s failed and so did its rollback; look at the stack, then unlock it", run.ID)}
	}
	return nil
}

// ofHead reports whether a run is for the branch's tip, and knows it.
func ofHead(run *state.Run) bool {
	return run.Kind == state.KindDeploy && run.Want.Commit == "" && run.Want.Environment == "" && run.Commit != ""
}

// ShowHead notes the tip that a run waits with: its stack is behind meanwhile.
func ShowHead(tx *state.Tx, run *state.Run) error {
	if !ofHead(run) {
		return nil
	}
	return tx.ChangeStack(run.Stack, func(s *state.Stack) {
		if s.Head != run.Commit {
			s.Head, s.HeadRelease = run.Commit, run.Release
		}
	})
}

// judgeHead notes what the run says about the branch's tip.
func (x *Execution) judgeHead(s *state.Stack, end ending) {
	run := x.Run
	if !ofHead(run) {
		return
	}
	s.Head, s.HeadRelease = run.Commit, run.Release
	if run.Status == state.RunUnchanged && run.Release == "" && s.Judged != nil {
		s.HeadRelease = s.Judged.Release // no file of the stack changed since
	}
	untouched := run.Phase == state.PhasePreparing
	before := s.Judged
	s.Judged = &state.Judgement{
		Commit: run.Commit, Release: s.HeadRelease, Run: run.ID, Status: run.Status,
		Again:  untouched && (run.Status == state.RunFailed || run.Status == state.RunCanceled),
		Outage: untouched && run.Status == state.RunFailed && mayPass(end.err),
	}
	if run.Trigger.Kind == state.TriggerPoll && s.Judged.Outage && before != nil && before.Outage && before.Commit == run.Commit {
		run.Repeats = before.Run
	}
}

// settleGood makes the run's release the live and the last good one.
func (x *Execution) settleGood(tx *state.Tx, s *state.Stack, at time.Time) error {
	left := s.LastGood
	x.Release.VerifiedAt = &at
	if x.Run.Kind == state.KindAdopt {
		if err := tx.WentLive(x.Release); err != nil {
			return err
		}
	}
	if err := tx.PutRelease(x.Release, nil); err != nil {
		return err
	}
	s.Live, s.LastGood = x.Release, x.Release
	s.DropQuarantine(x.Release.ID)
	want := x.Run.Want
	switch {
	case x.Run.Kind == state.KindRollback:
		if left != nil && left.ID != x.Release.ID {
			s.Quarantine(state.Quarantine{Release: left.ID, Commit: left.Commit, Run: x.Run.ID, At: at,
				Why: strings.TrimSuffix(fmt.Sprintf("%s rolled it back: %s", x.Run.Trigger.Actor, x.Run.Trigger.Reason), ": ")})
		}
		s.Pin = nil
		if want.Pin {
			s.Pin = x.pin(at)
		}
	case want.Commit != "" || want.Environment != "":
		s.Pin = x.pin(at)
	case x.Run.Trigger.Kind.ByPerson():
		s.Pin = nil
	}
	return nil
}

func (x *Execution) pin(at time.Time) *state.Pin {
	return &state.Pin{Commit: x.Run.Commit, By: x.Run.Trigger.Actor, Reason: x.Run.Trigger.Reason, At: at}
}
