package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"deployer/project"
)

const defaultSettle = 2 * time.Second

// errSlow is why the context of a service that is not up in time ends.
var errSlow = errors.New("the limit for becoming healthy has passed")

// A milestone is what other services wait for.
type milestone struct {
	started chan struct{}
	up      chan struct{} // healthy, or ended well
}

// bringUp starts what does not run, each service once its dependencies have
// come as far as it asks, and returns when all are up.
func (a *application) bringUp(ctx context.Context, watch *watch) error {
	if a.options.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.options.Wait, errSlow)
		defer cancel()
	}
	containers, err := a.Containers(ctx, a.want.Name)
	if err != nil {
		return err
	}
	have := byService(containers)
	milestones := map[string]milestone{}
	for name := range a.want.Services {
		milestones[name] = milestone{make(chan struct{}), make(chan struct{})}
	}
	var followers []*follower
	group, each := errgroup.WithContext(ctx)
	for name, s := range a.want.Services {
		mine := a.follow(watch, s, have[name])
		followers = append(followers, mine...)
		group.Go(func() error { return a.bringUpService(each, s, mine, milestones) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// One that was up first may have died while another took its time.
	group, each = errgroup.WithContext(ctx)
	for _, f := range followers {
		f.settle = 0
		group.Go(func() error { return f.untilUp(each) })
	}
	return group.Wait()
}

func (a *application) bringUpService(ctx context.Context, s types.ServiceConfig, containers []*follower, milestones map[string]milestone) error {
	for name, dependency := range s.DependsOn {
		m, ok := milestones[name]
		if !ok {
			continue
		}
		reached := m.up
		if dependency.Condition == types.ServiceConditionStarted || dependency.Condition == "" {
			reached = m.started
		}
		select {
		case <-reached:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errSlow) {
				return nil // the one that it waits for knows more
			}
			return context.Cause(ctx)
		}
	}
	if err := a.start(ctx, s, containers); err != nil {
		return err
	}
	close(milestones[s.Name].started)
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range containers {
		group.Go(func() error { return f.untilUp(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	close(milestones[s.Name].up)
	return nil
}

// start starts those containers of a service that do not live, all at once.
func (a *application) start(ctx context.Context, s types.ServiceConfig, containers []*follower) error {
	var idle []*follower
	for _, f := range containers {
		if !lives(f.container, f.endsByItself) {
			f.kept = false
			idle = append(idle, f)
		}
	}
	if len(idle) == 0 {
		return nil
	}
	if needsLibrary(a.want, s) {
		return a.startByLibrary(ctx, s)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range idle {
		group.Go(func() error {
			if err := a.engine.ContainerStart(ctx, f.container.ID, container.StartOptions{}); err != nil {
				return a.cannotStart(ctx, s.Name, f.container.Name, err)
			}
			a.log.printf("container %s started", f.container.Name)
			return nil
		})
	}
	return group.Wait()
}

// needsLibrary reports whether starting a service takes more than the
// Engine's start: hooks to run, or content to copy into the container.
func needsLibrary(p *types.Project, s types.ServiceConfig) bool {
	inline := func(f types.FileObjectConfig) bool { return f.Content != "" || f.Environment != "" }
	for _, ref := range s.Configs {
		if inline(types.FileObjectConfig(p.Configs[ref.Source])) {
			return true
		}
	}
	for _, ref := range s.Secrets {
		if inline(types.FileObjectConfig(p.Secrets[ref.Source])) {
			return true
		}
	}
	return len(s.PreStart) > 0 || len(s.PostStart) > 0
}

// startByLibrary starts one service by Compose. Its dependencies are left
// out: they were waited for, and Compose would poll them.
func (a *application) startByLibrary(ctx context.Context, s types.ServiceConfig) error {
	library, err := a.library(&progress{log: a.log})
	if err != nil {
		return err
	}
	s.DependsOn = nil
	alone := *a.want
	alone.Services = types.Services{s.Name: s}
	if err := library.Start(ctx, a.want.Name, api.StartOptions{Project: &alone}); err != nil {
		return a.cannotStart(ctx, s.Name, "", err)
	}
	return nil
}

func (a *application) cannotStart(ctx context.Context, service, container string, err error) error {
	if errors.Is(context.Cause(ctx), errSlow) {
		return &ServiceError{
			Service: service, Container: container, Reason: fmt.Sprintf("is not started after %s", a.options.Wait),
			Remedy: "the Engine is busy: see the load of its host, or allow a longer wait",
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if lost := a.reached(err); errors.Is(lost, project.ErrEngineUnreachable) {
		return lost
	}
	return &ServiceError{
		Service: service, Container: container, Reason: fmt.Sprintf("cannot be started: %v", err),
		Remedy: "see on the Engine's host what holds the port, or lacks the path, that the message names",
	}
}

// follow prepares to follow the containers of a service until they are up.
func (a *application) follow(watch *watch, s types.ServiceConfig, containers []project.Container) []*follower {
	followers := make([]*follower, len(containers))
	for i, c := range containers {
		passed, _ := a.early.start(a.want.Name, c.ID)
		followers[i] = &follower{
			application: a, container: c, bell: watch.bell(c.ID), kept: true, passed: passed, passes: make(chan string),
			settle:       cmp.Or(a.options.Settle, defaultSettle),
			endsByItself: endsByItself(a.want, s.Name), awaited: awaited(a.want, s.Name),
		}
	}
	return followers
}
