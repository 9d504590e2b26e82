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

// poll looks at the branch of each stack that wants it, as the fall-back for
// lost webhooks. The channel is closed when it has stopped.
func (q *Queue) poll(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			q.eachStack(ctx, q.setup.Load(), q.pollStack)
		}
	}()
	return done
}

// eachStack does work beside each stack of a setup until another takes its
// place.
func (q *Queue) eachStack(ctx context.Context, s *setup, work func(context.Context, *pipeline.Stack)) {
	ctx, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, stack := range s.stacks {
		group.Go(func() { work(ctx, stack) })
	}
	select {
	case <-ctx.Done():
	case <-s.replaced:
	}
	stop()
	group.Wait()
}

// pollStack polls one stack, at once and then at its interval, until ctx ends.
func (q *Queue) pollStack(ctx context.Context, stack *pipeline.Stack) {
	if stack.Poll <= 0 {
		return
	}
	tick := time.NewTicker(stack.Poll)
	defer tick.Stop()
	for {
		if err := q.pollOnce(ctx, stack); err != nil && ctx.Err() == nil {
			q.log.Warn("poll", "stack", stack.Name, "error", err, "hint", pipeline.Hint(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pollOnce queues a run where the branch's tip was not judged yet.
func (q *Queue) pollOnce(ctx context.Context, stack *pipeline.Stack) error {
	tip, err := stack.Mirror.Tip(ctx, stack.Branch)
	if err != nil {
		return err
	}
	var queued *state.Run
	var superseded []*state.Run
	err = q.store.Update(func(tx *state.Tx) error {
		queued = nil
		known, err := tx.Stack(stack.Name)
		if err != nil {
			return err
		}
		if known.Head != tip {
			known.Head, known.HeadRelease = tip, ""
			if err := tx.PutStack(known); err != nil {
				return err
			}
		}
		run := &state.Run{
			ID: state.NewRunID(), Stack: stack.Name, Kind: state.KindDeploy, Environment: stack.Environment,
			Trigger: state.Trigger{Kind: state.TriggerPoll}, Commit: tip, Forge: stack.Forge(),
			Status: state.RunQueued, CreatedAt: q.now().UTC(), Stages: []state.StageResult{},
		}
		wanted, err := q.pollWants(tx, stack, known, run)
		if err != nil || !wanted {
			return err
		}
		a := &acceptance{q: q, tx: tx, now: run.CreatedAt, known: map[string]*state.Stack{stack.Name: known}}
		if err := errors.Join(a.baseMoved(stack, run.Trigger), a.store()); err != nil {
			return err
		}
		queued, superseded = run, a.changed
		return q.enqueue(tx, run, &superseded)
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", state.ShortCommit(tip), err)
	}
	if queued != nil {
		q.changed(append(superseded, queued)...)
	}
	return nil
}

// pollWants reports whether poll may try a commit: it was not judged, or only
// an outage stood in its way, and no run for it is under way.
func (q *Queue) pollWants(tx *state.Tx, stack *pipeline.Stack, known *state.Stack, run *state.Run) (bool, error) {
	if j := known.Judged; j != nil && j.Commit == run.Commit && !j.Outage {
		return false, nil
	}
	if v, _ := admit(stack, run, known, q.now()); v == verdictIgnore {
		return false, nil
	}
	under, err := underWay(tx, run)
	return !under, err
}

// underWay reports whether the stack has a run that is, or will be, for the
// same commit.
func underWay(tx *state.Tx, run *state.Run) (bool, error) {
	active, err := tx.ActiveRuns()
	if err != nil {
		return false, err
	}
	for _, other := range active {
		if other.Stack == run.Stack && other.Kind == state.KindDeploy && other.Want.Commit == "" &&
			(other.Commit == run.Commit || other.Status == state.RunQueued) {
			return true, nil
		}
	}
	return false, nil
}
