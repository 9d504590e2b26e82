package pipeline

import (
	"context"

	"deployer/state"
)

// remove removes the containers and networks of the stack. Its volumes, its
// releases and its history stay.
func remove(ctx context.Context, x *Execution) error {
	return x.Step(ctx, "remove", func(ctx context.Context) (string, error) {
		l, err := x.Stack.lifecycle()
		if err != nil {
			return "", err
		}
		if err := l.Down(ctx, x.Stack.Project); err != nil {
			return "", err
		}
		return "its containers and networks are gone; its volumes are not touched", nil
	})
}

// settleRemoved makes the stack one that was never deployed. What the branch
// was judged by stays: the same commit does not bring it back by itself.
func settleRemoved(s *state.Stack) {
	s.Live, s.LastGood, s.HeadRelease = nil, nil, ""
	s.Pin, s.Readings, s.Schedule = nil, nil, nil
}
