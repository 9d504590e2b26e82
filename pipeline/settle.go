package pipeline

import (
	"context"
	"errors"
	"fmt"
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
		x.settleAlarms(known)
		left := x.leftBehind()
		return errors.Join(tx.PutStack(known), tx.CompactLog(run.ID), tellOf(tx, run, at), tellLeft(tx, run, left, at))
	})
	if err != nil {
		return fmt.Errorf("store how the run ended: %w", err)
	}
	return r.releaseImages(x)
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
		return fmt.Sprintf("%v; and the way back to %s failed: %v; the stack is locked", end.err, state.ShortCommit(end.back.Commit), end.rollback)
	case end.stuck != "":
		return fmt.Sprintf("%v; %s: what runs now was left for you to look at", end.err, end.stuck)
	}
	return end.err.Error()
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
