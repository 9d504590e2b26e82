package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"deployer/project"
)

// restart restarts containers of the live release and waits until the Engine
// has looked at their health.
func restart(ctx context.Context, x *Execution) error {
	l, err := x.Stack.lifecycle()
	if err != nil {
		return err
	}
	service := x.Run.Want.Service
	err = x.Step(ctx, "restart", func(ctx context.Context) (string, error) {
		if err := l.Restart(ctx, x.Stack.Project, service); err != nil {
			return "", err
		}
		if service == "" {
			return "every service was restarted", nil
		}
		return service + " was restarted", nil
	})
	if err != nil {
		return err
	}
	return x.Step(ctx, "health", x.awaitHealth)
}

// awaitHealth waits while the Engine calls a container starting.
func (x *Execution) awaitHealth(ctx context.Context) (string, error) {
	ctx, done := context.WithTimeoutCause(ctx, time.Duration(x.File.Deploy.Wait), errors.New("the limit for becoming healthy has passed"))
	defer done()
	for {
		containers, err := x.Stack.Target.Containers(ctx, x.Stack.Project)
		if err != nil {
			return "", err
		}
		starting := slices.ContainsFunc(containers, func(c project.Container) bool { return c.Health == "starting" && c.State == "running" })
		if !starting {
			return "the Engine has looked at " + counted(len(containers), "container"), nil
		}
		select {
		case <-ctx.Done():
			return "", WithHint(context.Cause(ctx), "see the container's log, and its health check")
		case <-time.After(200 * time.Millisecond):
		}
	}
}
