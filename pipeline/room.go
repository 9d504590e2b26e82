package pipeline

import (
	"context"
	"fmt"
	"time"

	"deployer/state"
)

const backWithin = 30 * time.Second // for starting a container again

// makeRoom stops a container for a check that needs its port for a moment.
func (x *Execution) makeRoom(ctx context.Context, id, name string) (back func(context.Context) error, err error) {
	x.Logf("stopping %s for a moment", name)
	return x.runner.MakeRoom(ctx, x.Stack, x.Run.ID, id, name)
}

// MakeRoom stops a container for a run. That it did is on disk before, so that
// the next start of deployer starts the container again where this one does
// not come to it. back starts it; it must be called, and does its work also
// when its ctx is over.
func (r *Runner) MakeRoom(ctx context.Context, s *Stack, run, id, name string) (back func(context.Context) error, err error) {
	stopped := &state.Stopped{Container: id, Name: name, Run: run, At: r.now().UTC()}
	err = r.store.Update(func(tx *state.Tx) error {
		return tx.ChangeStack(s.Name, func(s *state.Stack) { s.Stopped = stopped })
	})
	if err != nil {
		return nil, fmt.Errorf("note that %s is stopped: %w", name, err)
	}
	back = func(ctx context.Context) error {
		return r.StartAgain(context.WithoutCancel(ctx), s, stopped)
	}
	if err := s.Target.StopContainer(ctx, id); err != nil {
		// It may have been stopped all the same.
		if failed := back(ctx); failed != nil {
			err = fmt.Errorf("%w; %w", err, failed)
		}
		return nil, err
	}
	return back, nil
}

// StartAgain starts a container that was stopped for a moment, and forgets
// that it was.
func (r *Runner) StartAgain(ctx context.Context, stack *Stack, stopped *state.Stopped) error {
	ctx, cancel := context.WithTimeout(ctx, backWithin)
	defer cancel()
	if err := stack.Target.StartContainer(ctx, stopped.Container); err != nil {
		return fmt.Errorf("start %s again: %w", stopped.Name, err)
	}
	return r.store.Update(func(tx *state.Tx) error {
		return tx.ChangeStack(stack.Name, func(s *state.Stack) {
			if s.Stopped != nil && s.Stopped.At.Equal(stopped.At) {
				s.Stopped = nil
			}
		})
	})
}
