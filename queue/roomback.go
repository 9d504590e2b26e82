package queue

import (
	"context"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

const backPause = 2 * time.Second // between two attempts after a crash

// giveRoomBack starts what the last process had stopped for a moment when it
// ended. An Engine that does not answer yet is asked again until ctx ends; the
// returned channel is closed when nothing is left to do.
func (q *Queue) giveRoomBack(ctx context.Context) <-chan struct{} {
	type left struct {
		stack   *pipeline.Stack
		stopped *state.Stopped
	}
	var all []left
	for _, stack := range q.stacks() {
		err := q.store.View(func(tx *state.Tx) error {
			known, err := tx.Stack(stack.Name)
			if err == nil && known.Stopped != nil {
				all = append(all, left{stack, known.Stopped})
			}
			return err
		})
		if err != nil {
			q.log.Error("look for containers to start again", "stack", stack.Name, "error", err)
		}
	}
	try := func() {
		var still []left
		for _, l := range all {
			if err := q.runner.StartAgain(ctx, l.stack, l.stopped); err != nil {
				still = append(still, l)
				q.log.Error("start a container again that was stopped for a check", "stack", l.stack.Name, "error", err,
					"hint", "docker start "+l.stopped.Name)
				continue
			}
			q.log.Info("started a container again that was stopped for a check", "stack", l.stack.Name, "container", l.stopped.Name)
		}
		all = still
	}
	try() // before any run
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(all) > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(backPause):
				try()
			}
		}
	}()
	return done
}
