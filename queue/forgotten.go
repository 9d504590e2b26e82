package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

const (
	letGoAgain    = 10 * time.Second // between looks for what is held by nobody
	helpersWithin = 3 * time.Second
)

// letGoForgotten lets go on what is held by no run that is under way: at the
// start, what a crash has left. The channel is closed when it has stopped.
func (q *Queue) letGoForgotten(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if err := q.letGoOnce(); err != nil {
				q.log.Error("let containers go on that a run has held", "error", err, "hint", pipeline.Hint(err))
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
		errs = append(errs, q.runner.LetGo(stack, func() bool { return q.works(h.Stack) }))
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
		v, ok := stack.Target.(pipeline.Volumes)
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
