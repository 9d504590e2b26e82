package pipeline

import (
	"deployer/state"
)

// recover makes the runs that were cut off by the end of the last process
// wait again, each with its journal: what had changed nothing starts anew;
// what had begun to change the target goes on first, to the same commit or,
// after a second crash, back to the last good release.
func (q *Queue) recover() error {
	return q.store.Update(func(tx *state.Tx) error {
		active, err := tx.ActiveRuns()
		if err != nil {
			return err
		}
		for _, run := range active {
			if run.Status != state.RunRunning {
				continue
			}
			run.Status = state.RunQueued
			if run.Phase != state.PhasePreparing {
				run.Interruptions++
			}
			if err := tx.PutRun(run); err != nil {
				return err
			}
			q.log.Info("taking up a run that was cut off", "run", run.ID, "stack", run.Stack, "phase", run.Phase)
		}
		return nil
	})
}
