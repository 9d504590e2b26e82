package queue

import (
	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// restoreFiles puts what the live releases mount back where it is gone: after
// a reboot the files that hold secrets are, since they live in memory.
func (q *Queue) restoreFiles(stacks map[string]*pipeline.Stack) {
	for _, stack := range stacks {
		if err := q.restoreFilesOf(stack); err != nil {
			q.log.Error("restore the files that containers mount", "stack", stack.Name, "error", err,
				"hint", "deploy the stack again")
		}
	}
}

func (q *Queue) restoreFilesOf(stack *pipeline.Stack) error {
	var live *state.Release
	err := q.store.View(func(tx *state.Tx) error {
		known, err := tx.Stack(stack.Name)
		if err == nil {
			live = known.Live
		}
		return err
	})
	if err != nil || live == nil {
		return err
	}
	kept, err := q.runner.Open(stack, live)
	if err != nil {
		return err
	}
	return project.Materialise(kept.Recipe, kept.Project.Mounts)
}

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
