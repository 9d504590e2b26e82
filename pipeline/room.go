package pipeline

import (
	"context"
	"fmt"
	"time"

	"deployer/state"
)

const (
	backWithin = 30 * time.Second // for starting a container again
	backPause  = 2 * time.Second  // between two attempts after a crash
)

// makeRoom stops a container for a check that needs its port for a moment.
// That it did is on disk before, so that the next start of deployer starts the
// container again where this one does not come to it. back starts it; it must
// be called, and does its work also when ctx is over.
func (x *Execution) makeRoom(ctx context.Context, id, name string) (back func(context.Context) error, err error) {
	stopped := &state.Stopped{Container: id, Name: name, Run: x.Run.ID, At: x.runner.now().UTC()}
	err = x.runner.store.Update(func(tx *state.Tx) error {
		return tx.ChangeStack(x.Stack.Name, func(s *state.Stack) { s.Stopped = stopped })
	})
	if err != nil {
		return nil, fmt.Errorf("note that %s is stopped: %w", name, err)
	}
	back = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backWithin)
		defer cancel()
		return startAgain(ctx, x.runner.store, x.Stack, stopped)
	}
	x.Logf("stopping %s for a moment", name)
	if err := x.Stack.Target.StopContainer(ctx, id); err != nil {
		// It may have been stopped all the same.
		if failed := back(ctx); failed != nil {
			err = fmt.Errorf("%w; %w", err, failed)
		}
		return nil, err
	}
	return back, nil
}

// startAgain starts a container that was stopped for a moment, and forgets
// that it was.
func startAgain(ctx context.Context, store *state.Store, stack *Stack, stopped *state.Stopped) error {
	if err := stack.Target.StartContainer(ctx, stopped.Container); err != nil {
		return fmt.Errorf("start %s again: %w", stopped.Name, err)
	}
	return store.Update(func(tx *state.Tx) error {
		return tx.ChangeStack(stack.Name, func(s *state.Stack) {
			if s.Stopped != nil && s.Stopped.At.Equal(stopped.At) {
				s.Stopped = nil
			}
		})
	})
}

// giveRoomBack starts what the last process had stopped for a moment when it
// ended. An Engine that does not answer yet is asked again until ctx ends; the
// returned channel is closed when nothing is left to do.
func (q *Queue) giveRoomBack(ctx context.Context) <-chan struct{} {
	type left struct {
		stack   *Stack
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
			asked, cancel := context.WithTimeout(ctx, backWithin)
			err := startAgain(asked, q.store, l.stack, l.stopped)
			cancel()
			if err != nil {
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
