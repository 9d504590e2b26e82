package pipeline

import (
	"context"

	"deployer/state"
)

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
		return waiting{state.WaitApproval}
	}
	return x.Step(ctx, "approval", func(context.Context) (string, error) { return "approved by " + x.Run.ApprovedBy, nil })
}
