package pipeline

import (
	"time"

	"deployer/state"
)

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
