package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"deployer/project"
	"deployer/state"
)

const (
	letGoWithin = 5 * time.Minute  // for what was held to go on, whatever became of the run
	letGoAgain  = 10 * time.Second // between looks for what is held by nobody

	helpersWithin = 3 * time.Second
)

// hold pauses or stops the containers of the stack that use the volumes, once
// it is on disk which they are.
func (x *Execution) hold(ctx context.Context, v Volumes, users []project.VolumeUser, stop bool) error {
	startOrder(x.Project, users)
	h := &state.Hold{Stack: x.Stack.Name, Project: x.Stack.Project, Run: x.Run.ID, Stopped: stop}
	for _, u := range users {
		if u.Project == x.Stack.Project && (u.State == "running" || u.State == "restarting") {
			h.Containers = append(h.Containers, u.ID)
		}
	}
	if len(h.Containers) == 0 {
		return nil
	}
	if err := x.journal.Commit(x.Run, func(tx *state.Tx) error { return tx.PutHold(h) }); err != nil {
		return fmt.Errorf("note which containers are about to be held: %w", err)
	}
	if stop {
		return v.StopContainers(ctx, h.Containers)
	}
	return v.Pause(ctx, h.Containers)
}

// letGo lets what the stack's runs hold go on again, also where the run was
// canceled or the server stops. What fails is tried again by the queue. It is
// left alone where unless says so.
func (r *Runner) letGo(s *Stack, unless func() bool) error {
	r.holds.Lock()
	defer r.holds.Unlock()
	if unless != nil && unless() {
		return nil
	}
	var h *state.Hold
	err := r.store.View(func(tx *state.Tx) (err error) {
		h, err = tx.Hold(s.Name)
		return err
	})
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := s.volumes()
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(context.Background(), letGoWithin)
	defer done()
	if err := v.LetGo(ctx, h.Project, h.Containers, h.Stopped); err != nil {
		return WithHint(fmt.Errorf("containers that were held for a backup do not go on: %w", err),
			"deployer tries again every few seconds; docker ps -a shows them, docker unpause or docker start does it by hand")
	}
	return r.store.Update(func(tx *state.Tx) error { return tx.DeleteHold(s.Name) })
}

// letGoForgotten lets go on what is held by no run that is under way: at the
// start, what a crash has left. The channel is closed when it has stopped.
func (q *Queue) letGoForgotten(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if err := q.letGoOnce(); err != nil {
				q.log.Error("let containers go on that a run has held", "error", err, "hint", Hint(err))
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(letGoAgain):
			}
		}
	}()
	return done
}

func (q *Queue) letGoOnce() error {
	var forgotten []*state.Hold
	err := q.store.View(func(tx *state.Tx) error {
		holds, err := tx.Holds()
		if err != nil {
			return err
		}
		for _, h := range holds {
			run, err := tx.Run(h.Run)
			if err == nil && !run.Status.Terminal() && run.Replaces != nil {
				continue // its volume is not whole: the run that goes on decides
			}
			forgotten = append(forgotten, h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range forgotten {
		stack, ok := q.stacks()[h.Stack]
		if !ok {
			errs = append(errs, fmt.Errorf("stack %s is no longer in deployer.yaml; its containers %v are left as they are", h.Stack, h.Containers))
			continue
		}
		// A run that is under way lets go by itself; one that begins waits for this.
		errs = append(errs, q.runner.letGo(stack, func() bool { return q.works(h.Stack) }))
	}
	return errors.Join(errs...)
}

// removeHelpers removes, before any run begins, what a crash has left of
// reading and writing volumes. An Engine that does not answer is not waited
// for: the next backup does the same.
func (q *Queue) removeHelpers() {
	ctx, done := context.WithTimeout(context.Background(), helpersWithin)
	defer done()
	var group sync.WaitGroup
	for _, stack := range q.stacks() {
		v, ok := stack.Target.(Volumes)
		if !ok {
			continue
		}
		group.Go(func() {
			if err := v.RemoveHelpers(ctx, stack.Project); err != nil {
				q.log.Warn("remove containers that were made to reach volumes", "stack", stack.Name, "error", err)
			}
		})
	}
	group.Wait()
}

// works reports whether a run of the stack is under way.
func (q *Queue) works(stack string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.running {
		if r.stack.Name == stack {
			return true
		}
	}
	return false
}
