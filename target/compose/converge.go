package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"deployer/project"
	"deployer/state"
)

// converge makes the networks, volumes and containers that the project wants
// and removes the containers that it no longer has. What it makes is not
// started.
func (a *application) converge(ctx context.Context) error {
	if err := a.tidy(ctx, a.have); err != nil {
		return err
	}
	// Orphans go first: one may hold the name or the port of a renamed service.
	if a.options.RemoveOrphans {
		if err := a.removeOrphans(ctx); err != nil {
			return err
		}
	}
	library, err := a.library(&progress{log: a.log})
	if err != nil {
		return err
	}
	for _, o := range a.createOptions() {
		if err := library.Create(ctx, a.want, o); err != nil {
			return fmt.Errorf("make the containers: %w", err)
		}
	}
	return nil
}

// settledOf names the services that stay though Compose would recreate them:
// it knows its containers by a hash of their spelling. Those that are only to
// be more, fewer or started are the ones that are counted.
func settledOf(changes []state.ServiceChange, have []project.Container, foreign map[string]string) (settled, counted []string) {
	for _, change := range changes {
		others, differ := false, false
		for _, c := range have {
			if why, ok := foreign[c.ID]; ok && c.Service == change.Name {
				others, differ = true, differ || why != ""
			}
		}
		switch {
		case !others || differ:
		case !change.Changes():
			settled = append(settled, change.Name)
		case change.Why == notRunning || strings.HasPrefix(change.Why, otherCount):
			counted = append(counted, change.Name)
		}
	}
	return settled, counted
}

// createOptions lets Compose recreate what differs by its hash, and makes it
// recreate what differs in a way that it does not see. What it would recreate
// without need it is not told of.
func (a *application) createOptions() []api.CreateOptions {
	o := api.CreateOptions{
		Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged,
		IgnoreOrphans: true, Inherit: true, SkipProviders: true, QuietPull: true,
	}
	if a.options.StopTimeout > 0 {
		o.Timeout = &a.options.StopTimeout
	}
	forced := slices.Clone(a.detached)
	for _, c := range a.changes {
		if c.Action == state.ActionRecreate && strings.HasPrefix(c.Why, sharesWith) {
			forced = append(forced, c.Name)
		}
	}
	var all []api.CreateOptions
	apart := slices.Concat(a.settled, a.counted)
	if len(apart) > 0 {
		o.RecreateDependencies = api.RecreateNever
		o.Services = slices.DeleteFunc(a.want.ServiceNames(), func(name string) bool { return slices.Contains(apart, name) })
		if len(o.Services) > 0 {
			all = append(all, o)
		}
	}
	if len(a.counted) > 0 {
		counted := o
		counted.Services, counted.Recreate = a.counted, api.RecreateNever
		all = append(all, counted)
	}
	if len(forced) > 0 {
		o.Services, o.Recreate = forced, api.RecreateForce
	}
	if len(apart) == 0 || len(forced) > 0 {
		all = append(all, o)
	}
	return all
}

func (a *application) removeOrphans(ctx context.Context) error {
	var orphans []project.Container
	for _, c := range a.have {
		if _, ok := a.want.Services[c.Service]; !ok {
			orphans = append(orphans, c)
		}
	}
	return a.stopAndRemove(ctx, orphans, a.options.StopTimeout, a.log)
}

// stopAndRemove stops containers in parallel, with their own grace where
// timeout is 0, and removes them; their volumes stay.
func (t *Target) stopAndRemove(ctx context.Context, containers []project.Container, timeout time.Duration, log *lines) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range containers {
		group.Go(func() error {
			err := t.engine.ContainerStop(ctx, c.ID, container.StopOptions{Timeout: seconds(timeout)})
			if err != nil && !cerrdefs.IsNotFound(err) {
				return t.reached(fmt.Errorf("stop container %s: %w", c.Name, err))
			}
			if err := t.removeContainer(ctx, c.ID); err != nil {
				return fmt.Errorf("remove container %s: %w", c.Name, err)
			}
			log.printf("container %s removed", c.Name)
			return nil
		})
	}
	return group.Wait()
}

// seconds rounds up, so that a short grace is not none; nil for 0.
func seconds(d time.Duration) *int {
	if d <= 0 {
		return nil
	}
	n := int((d + time.Second - 1) / time.Second)
	return &n
}
