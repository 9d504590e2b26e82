package compose

import (
	"context"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"deployer/project"
)

// healthyWithin is how long what was started may take to become healthy before
// what comes after it is started all the same.
const healthyWithin = time.Minute

// Users lists the containers that mount one of the volumes, of whatever
// project and running or not.
func (t *Target) Users(ctx context.Context, volumes []string) ([]project.VolumeUser, error) {
	var out []project.VolumeUser
	seen := map[string]bool{}
	for _, name := range volumes {
		items, err := t.mounting(ctx, name)
		if err != nil {
			return nil, err
		}
		for i, c := range observed(items) {
			if !seen[c.ID] {
				seen[c.ID] = true
				out = append(out, project.VolumeUser{Container: c, Project: items[i].Labels[api.ProjectLabel]})
			}
		}
	}
	return out, nil
}

// Pause pauses those of the containers that run.
func (t *Target) Pause(ctx context.Context, ids []string) error {
	return t.eachOf(ctx, ids, func(ctx context.Context, c container.InspectResponse) error {
		if !c.State.Running || c.State.Paused {
			return nil
		}
		err := t.engine.ContainerPause(ctx, c.ID)
		if cerrdefs.IsConflict(err) { // it has ended, or is restarting: nothing of it runs
			return nil
		}
		return err
	})
}

// StopContainers stops the containers, all at once.
func (t *Target) StopContainers(ctx context.Context, ids []string) error {
	return t.eachOf(ctx, ids, func(ctx context.Context, c container.InspectResponse) error {
		return t.engine.ContainerStop(ctx, c.ID, container.StopOptions{})
	})
}

// LetGo undoes Pause and StopContainers: what is paused goes on, what does not
// run is started, in the order of ids, each once the one before it is healthy
// or has had a minute for it. A container that is gone is passed over. It may
// be repeated after a crash at any point, of a stop that goes on by itself too.
func (t *Target) LetGo(ctx context.Context, projectName string, ids []string, stopped bool) error {
	if stopped {
		if err := t.awaitStops(ctx, projectName, 0, newLines(nil)); err != nil {
			return err
		}
	}
	var errs []error
	for i, id := range ids {
		c, err := t.engine.ContainerInspect(ctx, id)
		if cerrdefs.IsNotFound(err) {
			continue
		}
		switch {
		case err != nil:
		case c.State.Paused:
			if err = t.engine.ContainerUnpause(ctx, id); cerrdefs.IsConflict(err) { // somebody was faster
				err = nil
			}
		case stopped && !c.State.Running:
			if err = t.engine.ContainerStart(ctx, id, container.StartOptions{}); err == nil && i < len(ids)-1 {
				t.awaitHealth(ctx, id)
			}
		}
		if err != nil {
			errs = append(errs, t.reached(fmt.Errorf("let container %.12s go on: %w", id, err)))
		}
	}
	return errors.Join(errs...)
}

// awaitHealth waits until a container with a health check is healthy, or is
// not to become so soon.
func (t *Target) awaitHealth(ctx context.Context, id string) {
	ctx, done := context.WithTimeout(ctx, healthyWithin)
	defer done()
	for ctx.Err() == nil {
		c, err := t.engine.ContainerInspect(ctx, id)
		if err != nil || !c.State.Running || c.State.Health == nil || c.State.Health.Status != "starting" {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// eachOf does something to each of the containers that are there, side by side.
func (t *Target) eachOf(ctx context.Context, ids []string, do func(context.Context, container.InspectResponse) error) error {
	if err := t.spare(ctx, ids...); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, id := range ids {
		group.Go(func() error {
			c, err := t.engine.ContainerInspect(ctx, id)
			if err == nil {
				err = do(ctx, c)
			}
			if err != nil && !cerrdefs.IsNotFound(err) {
				return t.reached(fmt.Errorf("container %.12s: %w", id, err))
			}
			return nil
		})
	}
	return group.Wait()
}
