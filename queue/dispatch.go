package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// dispatchEvery is how often what waits is looked at without a cause.
const dispatchEvery = 30 * time.Second

// Serve takes up what a crash cut off and then starts runs until ctx ends. It
// returns when the runs under way have stopped, each at a point from which
// the next start goes on, or when grace is over.
func (q *Queue) Serve(ctx context.Context, grace time.Duration) error {
	if err := q.recover(); err != nil {
		return fmt.Errorf("take up the runs of the last start: %w", err)
	}
	room := q.giveRoomBack(ctx)
	q.restoreFiles(q.stacks())
	q.removeHelpers()
	branches := q.watchBranches(ctx)
	polls, chores, watch, dogs, forgotten := q.poll(ctx), q.housekeep(ctx), q.watch(ctx), q.watchEngines(ctx), q.letGoForgotten(ctx)
	for ctx.Err() == nil {
		wait, err := q.scheduleBackups(dispatchEvery)
		if err != nil {
			q.log.Error("look for backups that are due", "error", err)
		}
		q.dispatchUntil(ctx.Done(), time.After(wait)) // a freeze may have ended, a backup be due
	}
	<-branches
	<-polls
	<-chores
	<-watch
	<-dogs
	<-forgotten
	<-room
	return q.stop(grace)
}

// dispatchUntil starts runs, also those of the pushes that come meanwhile,
// until it is over or anything else has changed. A push changes no schedule,
// and there may be hundreds in a second.
func (q *Queue) dispatchUntil(done <-chan struct{}, over <-chan time.Time) {
	for {
		if err := q.dispatch(); err != nil {
			q.log.Error("look for runs to start", "error", err)
		}
		select {
		case <-done:
			return
		case <-over:
			return
		case <-q.wake:
			return
		case <-q.pushed:
		}
	}
}

func (q *Queue) stop(grace time.Duration) error {
	q.mu.Lock()
	for _, r := range q.running {
		r.stop(pipeline.ErrStopping)
	}
	q.mu.Unlock()
	done := make(chan struct{})
	go func() { q.group.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(grace):
		return fmt.Errorf("runs did not stop within %s; the next start takes them up", grace)
	}
}

// dispatch starts every run that may start now and says of the others what
// they wait for.
func (q *Queue) dispatch() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var start, changed []*state.Run
	err := q.store.Update(func(tx *state.Tx) error {
		start, changed = nil, nil
		active, err := tx.ActiveRuns()
		if err != nil {
			return err
		}
		slots := q.setup.Load().workers - len(q.running)
		for _, run := range active {
			if run.Status != state.RunQueued && run.Status != state.RunWaiting {
				continue
			}
			before := run.Status
			started, err := q.tryStart(tx, run, start, active, slots-len(start))
			if err != nil {
				return err
			}
			if !started && run.Status != before {
				changed = append(changed, run)
			}
			if started {
				start = append(start, run)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, run := range changed {
		q.notify(run)
	}
	for _, run := range start {
		q.start(run)
	}
	return nil
}

// busy reports whether a run of the stack, or of what it claims, is under way
// or about to start. A run of the stack may hold another claim: the stack was
// changed since it began. Reviews claim nothing.
func (q *Queue) busy(stack *pipeline.Stack, start []*state.Run) bool {
	conflicts := func(other *pipeline.Stack) bool { return other.Name == stack.Name || other.Claim == stack.Claim }
	for _, r := range q.running {
		if r.kind != state.KindReview && conflicts(r.stack) {
			return true
		}
	}
	return slices.ContainsFunc(start, func(r *state.Run) bool { return r.Kind != state.KindReview && conflicts(q.stacks()[r.Stack]) })
}

// tryStart makes a waiting run a running one where nothing stands in its way.
func (q *Queue) tryStart(tx *state.Tx, run *state.Run, start, active []*state.Run, slots int) (bool, error) {
	stack, ok := q.stackOf(run)
	if !ok {
		at := q.now().UTC()
		run.Status, run.FinishedAt = state.RunCanceled, &at
		run.Error = "the stack is no longer in deployer.yaml, or not enabled"
		return false, putTelling(tx, run, q.now())
	}
	if run.WaitingFor == state.WaitApproval {
		return false, nil
	}
	known, err := tx.Stack(run.Stack)
	if err != nil {
		return false, err
	}
	waiting := ""
	switch v, what := admit(stack, run, known, q.now()); {
	case v == verdictIgnore:
		at := q.now().UTC()
		run.Status, run.FinishedAt, run.Error = state.RunCanceled, &at, fmt.Sprintf("the stack is held by a %s", what)
		return false, putTelling(tx, run, q.now())
	case v != verdictPass:
		waiting = string(what)
	case run.Kind == state.KindReview:
		// One worker is left for what changes something, where there are several.
		if slots <= min(1, q.setup.Load().workers-1) || q.reviewWaits(run, active) {
			return false, nil
		}
	case slots <= 0 || q.busy(stack, start):
		return false, nil // stays queued
	}
	if waiting != "" {
		if run.Status == state.RunWaiting && run.WaitingFor == waiting {
			return false, nil
		}
		run.Status, run.WaitingFor = state.RunWaiting, waiting
		return false, errors.Join(pipeline.ShowHead(tx, run), putTelling(tx, run, q.now()))
	}
	at := q.now().UTC()
	run.Status, run.WaitingFor, run.StartedAt = state.RunRunning, "", &at
	return true, putTelling(tx, run, at)
}

// start works on a run in a goroutine of its own. q.mu is held.
func (q *Queue) start(run *state.Run) {
	stack, _ := q.stackOf(run)
	stopping, stop := context.WithCancelCause(context.Background())
	canceled, cancel := context.WithCancelCause(stopping)
	q.running[run.ID] = &running{stack: stack, kind: run.Kind, stop: stop, cancel: cancel}
	q.group.Add(1)
	go func() {
		defer q.group.Done()
		defer q.monitor.wake(run.Stack)
		defer q.runEnded(stack, run)
		defer q.changed(run)
		defer func() {
			q.mu.Lock()
			delete(q.running, run.ID)
			q.mu.Unlock()
			stop(nil)
		}()
		defer func() {
			if p := recover(); p != nil { // the next start takes the run up
				q.log.Error("panic in a run", "run", run.ID, "stack", run.Stack, "panic", p, "trace", string(debug.Stack()))
			}
		}()
		q.notify(run)
		if err := q.runner.Execute(stopping, canceled, stack, run); err != nil && !errors.Is(err, pipeline.ErrStopping) {
			q.log.Error("run", "run", run.ID, "stack", run.Stack, "error", err)
		}
		if err := q.keepCommits(stack.Mirror); err != nil {
			q.log.Warn("keep the commits that run", "stack", run.Stack, "error", err)
		}
	}()
}

// notify hands observers a copy: the run itself goes on changing.
func (q *Queue) notify(run *state.Run) {
	for _, o := range q.observers {
		shown := *run
		o.RunChanged(&shown)
	}
}
