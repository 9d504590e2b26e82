package forge

import (
	"context"

	"deployer/state"
)

// A Deployment is what a forge shows of an environment: which commit is there.
type Deployment struct {
	Commit      string
	Environment string // the stack, and its environment where it has one
	State       State
	Running     bool // of a pending one: it is under way
	Description string
	URL         string // of the run's page
}

// deployments is what a client has whose forge shows deployments.
type deployments interface {
	SetDeployment(ctx context.Context, d Deployment) error
}

// deployment tells of what goes to an environment. What changed nothing, or
// was never tried, is no deployment.
func (r *Reporter) deployment(ctx context.Context, f deployments, s Status, run *state.Run) error {
	if run.Status == state.RunUnchanged || s.State == Canceled || run.Status == state.RunQueued {
		return nil
	}
	environment := run.Stack
	if run.Environment != "" {
		environment += "/" + run.Environment
	}
	return f.SetDeployment(ctx, Deployment{
		Commit: s.Commit, Environment: environment, State: s.State, Running: run.Status == state.RunRunning,
		Description: s.Description, URL: s.URL,
	})
}
