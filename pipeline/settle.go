package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"deployer/state"
)

// ending is how a run's way ended.
type ending struct {
	err      error          // why it did not end verified; nil where it did
	crashed  bool           // the process died while it deployed; the release is not to blame
	stuck    string         // why there was no way back
	back     *state.Release // the release that the stack was taken back to
	rollback error          // why that failed
}

// final reports whether the run is over, whatever else happens.
func (e ending) final() bool { return e.err == nil || (e.back != nil && e.rollback == nil) }

// beginRollback puts on disk that the way back begins, and quarantines the
// release so that nothing brings it back by itself. A disk that is full does
// not stand in the way: what runs now failed, and settle writes it again.
func (r *Runner) beginRollback(x *Execution, end ending) {
	// One that goes on after a crash was judged when it began.
	x.guilty = x.Run.Phase != state.PhaseRollingBack && x.blamed(end)
	x.Run.Phase = state.PhaseRollingBack
	x.Run.Error, x.Run.Hint = x.Mask.Redact(end.err.Error()), x.Mask.Redact(Hint(end.err))
	for i := range x.Run.Stages { // a stage that never ran is skipped, not pending for ever
		if x.Run.Stages[i].Status == state.StagePending {
			x.Run.Stages[i].Status = state.StageSkipped
		}
	}
	err := x.journal.Commit(x.Run, func(tx *state.Tx) error {
		if !x.guilty {
			return nil
		}
		return tx.ChangeStack(x.Stack.Name, x.quarantine)
	})
	if err != nil {
		r.parts.Log.Error("store that the way back begins", "run", x.Run.ID, "error", err)
	}
}

// blamed reports whether the failure is the release's own: no crash of
// deployer, no outage of the Engine, and not only checks that failed before
// the change too.
func (x *Execution) blamed(end ending) bool {
	if end.crashed || isOutage(end.err) || x.Run.Release == "" {
		return false
	}
	if len(x.Failing) == 0 {
		return true
	}
	return slices.ContainsFunc(x.Failing, func(key string) bool { _, outside := x.Outage[key]; return !outside })
}

func (x *Execution) quarantine(s *state.Stack) {
	s.Quarantine(state.Quarantine{
		Release: x.Run.Release, Commit: x.Run.Commit, Run: x.Run.ID, Why: x.Run.Error, At: x.runner.now().UTC(),
	})
}

// settle writes how the run ended and what that makes of its stack, in one transaction.
func (r *Runner) settle(stop context.Context, x *Execution, end ending) error {
	run := x.Run
	at := r.now().UTC()
	run.FinishedAt = &at
	run.Status = x.status(end)
	if end.err != nil && run.Status != state.RunUnchanged {
		run.Error, run.Hint = x.Mask.Redact(x.sentence(end)), x.Mask.Redact(Hint(end.err))
	}
	if end.back != nil && end.rollback == nil {
		run.RolledBackTo = end.back.Commit
	}
	for i := range run.Stages {
		if run.Stages[i].Status == state.StagePending || run.Stages[i].Status == state.StageRunning {
			run.Stages[i].Status = state.StageSkipped
		}
	}
	x.Logf("%s", strings.TrimSpace(string(run.Status)+" "+run.Error))
	err := x.end(stop, func(tx *state.Tx) error {
		known, err := tx.Stack(x.Stack.Name)
		if err != nil {
			return err
		}
		if err := x.settleStack(tx, known, end, at); err != nil {
			return err
		}
		left := x.leftBehind()
		return errors.Join(tx.PutStack(known), tx.CompactLog(run.ID), tellOf(tx, run, at), tellLeft(tx, run, left, at))
	})
	if err != nil {
		return fmt.Errorf("store how the run ended: %w", err)
	}
	return r.releaseImages(x)
}

// tellOf has sinks told how a run ended. What changed nothing is news only
// where it was announced.
func tellOf(tx *state.Tx, run *state.Run, at time.Time) error {
	if run.Kind == state.KindReview {
		stored, err := tx.Run(run.ID)
		if err != nil {
			return err
		}
		if stored.Review.Ended != "" && run.Changes == nil { // the review before it has told
			return nil
		}
		return tx.AddNotice(run, at)
	}
	if run.Status == state.RunUnchanged && run.Forge == "" {
		return nil
	}
	return tx.AddNotice(run, at)
}

// leftBehind is the commit whose release a person's rollback has left; empty
// for none.
func (x *Execution) leftBehind() string {
	left := x.Known.LastGood
	if x.Run.Kind != state.KindRollback || x.Run.Status != state.RunSucceeded || left == nil || left.Commit == x.Run.Commit {
		return ""
	}
	return left.Commit
}

// tellLeft has the forge told that what it says of a commit is no longer so.
func tellLeft(tx *state.Tx, run *state.Run, commit string, at time.Time) error {
	if commit == "" || run.Forge == "" {
		return nil
	}
	return tx.AddNotice(&state.Run{ID: run.ID, Forge: run.Forge, Commit: commit, Status: state.RunSuperseded}, at)
}

// storeAgain is the time between two tries to store the end of a run.
const storeAgain = 5 * time.Second

// end stores the last that this process has to say of the run, with its whole
// log. A full disk may have room again: until stop ends it is tried again, and
// the next start goes on from what is stored.
func (x *Execution) end(stop context.Context, fn func(*state.Tx) error) error {
	if err := x.closeLog(); err != nil {
		return err
	}
	for {
		err := x.journal.Commit(x.Run, fn)
		if err == nil || stop.Err() != nil {
			return err
		}
		x.runner.parts.Log.Error("store the run; it is tried again", "run", x.Run.ID, "error", err,
			"hint", "make room where the data folder is")
		select {
		case <-stop.Done():
		case <-time.After(storeAgain):
		}
	}
}

func (x *Execution) status(end ending) state.RunStatus {
	switch {
	case end.err == nil:
		return state.RunSucceeded
	case errors.As(end.err, &nothingToDo{}):
		return state.RunUnchanged
	case x.Run.Phase == state.PhasePreparing && errors.Is(end.err, ErrCanceled):
		return state.RunCanceled
	case !x.Run.Kind.OfRelease() && end.rollback != nil:
		return state.RunRollbackFailed
	case end.back == nil:
		return state.RunFailed
	case end.rollback != nil:
		return state.RunRollbackFailed
	}
	return state.RunRolledBack
}

// sentence is what matters about a run that did not end verified.
func (x *Execution) sentence(end ending) string {
	switch {
	case !x.Run.Kind.OfRelease():
		return x.keeperSentence(end)
	case end.rollback != nil:
		return fmt.Sprintf("%v; and the way back to %s failed: %v; the stack is locked", end.err, short(end.back.Commit), end.rollback)
	case end.stuck != "":
		return fmt.Sprintf("%v; %s: what runs now was left for you to look at", end.err, end.stuck)
	}
	return end.err.Error()
}

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

// releaseImages gives up the images of releases that cannot be run again.
func (r *Runner) releaseImages(x *Execution) error {
	if x.Run.Phase == state.PhasePreparing {
		return nil
	}
	keep, err := r.keptImages(x.Stack)
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(context.Background(), 30*time.Second)
	defer done()
	if err := x.Stack.Target.KeepImages(ctx, x.Stack.ShelfName(), keep); err != nil {
		r.parts.Log.Warn("give up images of old releases", "stack", x.Stack.Name, "error", err)
	}
	return nil
}
