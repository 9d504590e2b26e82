package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"deployer/pipeline"
	"deployer/state"
)

// Cancel ends a run that waits, stops one that has changed nothing, and takes
// one that has begun to change the target back.
func (q *Queue) Cancel(_ context.Context, id string, by state.Trigger) error {
	q.mu.Lock()
	if r, ok := q.running[id]; ok {
		defer q.mu.Unlock()
		r.cancel(fmt.Errorf("%w by %s", pipeline.ErrCanceled, by.Actor))
		return nil
	}
	q.mu.Unlock()
	var run *state.Run
	err := q.store.Update(func(tx *state.Tx) (err error) {
		if run, err = tx.Run(id); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		if run.Status.Terminal() {
			return &state.Refusal{Reason: fmt.Sprintf("run %s is over: %s", id, run.Status), Hint: "there is nothing to cancel"}
		}
		if run.Phase != state.PhasePreparing || run.Status == state.RunRunning {
			return &state.Refusal{Reason: fmt.Sprintf("run %s is being taken up", id), Hint: "try again in a moment"}
		}
		at := q.now().UTC()
		run.Status, run.FinishedAt, run.WaitingFor = state.RunCanceled, &at, ""
		run.Error = "canceled by " + by.Actor
		return putTelling(tx, run, q.now())
	})
	if err == nil {
		q.changed(run)
	}
	return err
}

// Retry queues what a run that is over wanted, once more.
func (q *Queue) Retry(_ context.Context, id string, by state.Trigger) (*state.Run, error) {
	var old *state.Run
	err := q.store.View(func(tx *state.Tx) (err error) {
		old, err = tx.Run(id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	if !old.Status.Terminal() {
		return nil, &state.Refusal{Reason: fmt.Sprintf("run %s is not over: %s", id, old.Status), Hint: "cancel it first"}
	}
	if old.Kind == state.KindMonitor {
		return nil, &state.Refusal{Reason: fmt.Sprintf("run %s is of the monitor", id), Hint: "it looks again by itself"}
	}
	if slices.Contains([]state.RunKind{state.KindAdopt, state.KindRestart, state.KindRemove, state.KindRestore}, old.Kind) {
		return nil, &state.Refusal{Reason: fmt.Sprintf("run %s is of kind %s", id, old.Kind), Hint: "whoever may do that asks for it again: `deployer " + string(old.Kind) + " --help`"}
	}
	stack, ok := q.stackOf(old)
	if !ok {
		return nil, fmt.Errorf("stack %s: %w", old.Stack, state.ErrNotFound)
	}
	by.Reason = strings.TrimSpace("retry of run " + id + " " + by.Reason)
	run := q.newRun(stack, old.Kind, by, old.Want)
	run.Commit, run.Subject = old.Commit, old.Subject
	if old.Kind == state.KindReview {
		if old.Review.Ended != "" {
			return nil, &state.Refusal{Reason: fmt.Sprintf("pull request %d was %s", old.Review.Pull, old.Review.Ended), Hint: "plan the branch itself: deployer plan " + old.Stack}
		}
		if old.Review.Folder.Settled() {
			return nil, &state.Refusal{Reason: fmt.Sprintf("what becomes of folder %s was read from pull request %d", old.Review.Folder.Directory, old.Review.Pull), Hint: "it is read again when the pull request changes"}
		}
		run = again(old, by, q.now().UTC(), stack)
	}
	return run, q.ask(run)
}

// Approve lets a run that waits for it go on, for the release that it waits with.
func (q *Queue) Approve(_ context.Context, id string, by state.Trigger) error {
	return q.decide(id, func(run *state.Run) {
		run.Approved, run.ApprovedBy = run.Release, by.Actor
		run.Status, run.WaitingFor = state.RunQueued, ""
	}, nil)
}

// Reject ends a run that waits for approval. Its commit is judged: only
// another one, or a person, brings a new run.
func (q *Queue) Reject(_ context.Context, id string, by state.Trigger) error {
	return q.decide(id, func(run *state.Run) {
		at := q.now().UTC()
		run.Status, run.WaitingFor, run.FinishedAt = state.RunCanceled, "", &at
		run.Error = "rejected by " + by.Actor
		if by.Reason != "" {
			run.Error += ": " + by.Reason
		}
	}, func(s *state.Stack, run *state.Run) {
		s.Judged = &state.Judgement{Commit: run.Commit, Run: run.ID, Status: run.Status}
	})
}

// decide changes a run that waits for approval, and its stack.
func (q *Queue) decide(id string, change func(*state.Run), judge func(*state.Stack, *state.Run)) error {
	var run *state.Run
	err := q.store.Update(func(tx *state.Tx) (err error) {
		if run, err = tx.Run(id); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		if run.Status != state.RunWaiting || run.WaitingFor != state.WaitApproval {
			return &state.Refusal{
				Reason: fmt.Sprintf("run %s does not wait for approval: it is %s", id, run.Status),
				Hint:   "look at the stack's newest run",
			}
		}
		change(run)
		if judge != nil {
			if err := tx.ChangeStack(run.Stack, func(s *state.Stack) { judge(s, run) }); err != nil {
				return err
			}
		}
		return putTelling(tx, run, q.now())
	})
	if err == nil {
		q.changed(run)
	}
	return err
}
