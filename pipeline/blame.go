package pipeline

import (
	"slices"

	"deployer/state"
)

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
