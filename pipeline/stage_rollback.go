package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"deployer/project"
	"deployer/state"
)

// rollback takes the stack back to the last good release: its project, env,
// mounts and images, from what is local alone, and verifies it like a deploy.
func rollback(ctx context.Context, x *Execution) error {
	good := x.Known.LastGood
	var kept *KeptRelease
	err := x.Step(ctx, "release", func(context.Context) (string, error) {
		var err error
		if kept, err = x.open(good); err != nil {
			return "", err
		}
		if err := project.Materialise(kept.Recipe, kept.Project.Mounts); err != nil {
			return "", err
		}
		held, err := x.holdServices(kept.Project)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("back to %s “%s”%s", state.ShortCommit(good.Commit), good.Subject, held), nil
	})
	if err != nil {
		return err
	}
	x.File = kept.File
	x.witness(ctx, kept.world(x))
	err = x.Step(ctx, "apply", func(ctx context.Context) (string, error) {
		if err := x.Stack.Target.Apply(ctx, kept.Project, x.applyOptions(nil)); err != nil {
			return "", err
		}
		return "its containers are up", nil
	})
	if err != nil {
		return err
	}
	if failing := x.runChecks(ctx, kept.world(x), kept.File.Verify, x.Outage); len(failing) > 0 {
		return errors.New(x.lastFailure())
	}
	return ctx.Err()
}

// holdServices leaves the services that must not go back as they are now.
func (x *Execution) holdServices(back *project.Project) (said string, err error) {
	if len(back.NeverRollback) == 0 {
		return "", nil
	}
	current := x.Project
	if current == nil { // the process that resolved it is gone
		if current, err = x.runner.resolveKept(x.Stack, x.Known.Live); err != nil {
			return "", fmt.Errorf("services that must not go back: %w", err)
		}
	}
	back.Hold(current, back.NeverRollback)
	return fmt.Sprintf("; %s must not go back and stays as it is", strings.Join(back.NeverRollback, ", ")), nil
}

// wayBack is the release that a failure of this run goes back to; nil and why
// where there is none.
func (x *Execution) wayBack() (*state.Release, string) {
	good := x.Known.LastGood
	switch {
	case x.File != nil && !x.File.Rollback.Automatic:
		return nil, "automatic rollback is off"
	case good == nil:
		return nil, "there is no good release yet to go back to"
	case good.ID == x.Run.Release:
		return nil, "this is the last good release itself"
	}
	return good, ""
}
