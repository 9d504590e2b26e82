package pipeline

import (
	"context"
	"fmt"

	"deployer/state"
)

// waitApproval is what a run waits for that a person must look at.
const waitApproval = "approval"

// approve lets a run pass that a person has approved for exactly this
// release, or has started.
func approve(ctx context.Context, x *Execution) error {
	switch {
	case x.Run.Trigger.Kind.ByPerson():
		return skip{x.Run.Trigger.Actor + " started this run"}
	case x.Run.Phase != state.PhasePreparing:
		return skip{"it was approved before it began to change the stack"}
	case x.Run.Approved != x.Release.ID:
		x.Run.Approved, x.Run.ApprovedBy = "", ""
		return waiting{waitApproval}
	}
	return x.Step(ctx, "approval", func(context.Context) (string, error) { return "approved by " + x.Run.ApprovedBy, nil })
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
		if run.Status != state.RunWaiting || run.WaitingFor != waitApproval {
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
		return tx.PutRun(run)
	})
	if err == nil {
		q.changed(run)
	}
	return err
}
