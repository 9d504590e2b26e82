package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"

	"deployer/project"
	"deployer/state"
)

// Apply makes the Engine run p: it recreates the containers of services that
// differ, keeps all others, starts what does not run in the order of
// depends_on, and waits until every service is up: healthy where there is a
// health check, else running for o.Settle, or ended with code 0 where it ends
// by itself. The first service that cannot come up ends it with a
// *ServiceError; an Engine that is lost ends it with
// project.ErrEngineUnreachable. It may be repeated after a crash at any point.
//
// Health checks are run by Apply too, from the start of a container on, and
// their first pass counts: the Engine may call the container starting for a
// while longer. For a service behind Traefik, which routes by what the Engine
// says, only the Engine's word counts. Behind another router that does so,
// what asks the service from outside has to be patient.
func (t *Target) Apply(ctx context.Context, p *project.Project, o project.ApplyOptions) error {
	err := t.spareProject(ctx, p.Name)
	var a *application
	if err == nil {
		a, err = t.compare(ctx, p, o)
	}
	if err == nil {
		err = a.run(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return t.reached(err)
}

// An application is one Apply under way.
type application struct {
	*Target
	want     *types.Project
	options  project.ApplyOptions
	log      *lines
	have     []project.Container // before any change
	changes  []state.ServiceChange
	detached []string // services with a container that has lost a network
	settled  []string // services whose containers somebody else has made, and that stay
	counted  []string // of those the ones that are to be more, fewer or started
}

func (t *Target) compare(ctx context.Context, p *project.Project, o project.ApplyOptions) (*application, error) {
	want, err := wanted(p)
	if err != nil {
		return nil, err
	}
	log := newLines(o.Log)
	if o.Resumed {
		if err := t.awaitStops(ctx, p.Name, o.StopTimeout, log); err != nil {
			return nil, err
		}
	}
	items, err := t.list(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	a := &application{Target: t, want: want, options: o, log: log, have: observed(items), detached: detached(want, items)}
	t.early.forget(p.Name, a.have)
	if err := t.correct(ctx, p.Name, a.have); err != nil {
		return nil, err
	}
	foreign, err := t.foreign(ctx, want, a.have)
	if err != nil {
		return nil, err
	}
	if a.changes, err = plan(want, a.have, foreign); err != nil {
		return nil, err
	}
	a.settled, a.counted = settledOf(a.changes, a.have, foreign)
	return a, err
}

func (a *application) run(ctx context.Context) error {
	what := a.describe()
	if what == "" && !slices.ContainsFunc(a.have, waits) {
		a.log.printf("every container is as it should be")
		return nil
	}
	if what != "" {
		if err := errors.Join(a.checkExternalNetworks(ctx), a.checkNames(ctx)); err != nil {
			return err
		}
		if a.options.Changing != nil {
			if err := a.options.Changing(ctx, what); err != nil {
				return fmt.Errorf("nothing was changed: %w", err)
			}
		}
	}
	watch, ctx, stop := a.watch(ctx, a.want.Name)
	defer stop()
	if what != "" {
		if err := a.convergeWhole(ctx); err != nil {
			return lostOr(ctx, err)
		}
		if ctx.Err() != nil {
			return lostOr(ctx, context.Cause(ctx))
		}
	}
	return lostOr(ctx, a.bringUp(ctx, watch))
}

// convergeWhole converges to the end though the caller gives up, within the
// caller's deadline: the Engine goes on stopping a container that it was told
// to stop, and whoever comes next would take it for one that runs.
func (a *application) convergeWhole(ctx context.Context) error {
	whole := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		var done context.CancelFunc
		whole, done = context.WithDeadline(whole, deadline)
		defer done()
	}
	return a.converge(whole)
}

// waits reports whether a running container has yet to become healthy.
func waits(c project.Container) bool {
	return c.State == "running" && c.Health != "" && c.Health != "healthy"
}

// describe says what is about to change; empty where nothing has to.
func (a *application) describe() string {
	var parts []string
	for _, c := range a.changes {
		_, wanted := a.want.Services[c.Name]
		if !c.Changes() || !wanted && !a.options.RemoveOrphans {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s (%s)", c.Action, c.Name, c.Why))
	}
	if len(a.detached) > 0 {
		parts = append(parts, "reattach "+strings.Join(a.detached, ", "))
	}
	for _, c := range a.have {
		if _, ok := finalName(c); ok {
			parts = append(parts, "tidy up "+c.Name)
		}
	}
	return strings.Join(parts, ", ")
}

// detached names the services with a container that is not on all of its
// networks. A crash between the steps of a network's recreation leaves such.
func detached(want *types.Project, items []container.Summary) []string {
	var names []string
	have := observed(items)
	for i, item := range items {
		s, ok := want.Services[have[i].Service]
		if !ok || item.NetworkSettings == nil || slices.Contains(names, s.Name) {
			continue
		}
		for key := range s.Networks {
			network, ok := want.Networks[key]
			if _, attached := item.NetworkSettings.Networks[network.Name]; ok && !attached {
				names = append(names, s.Name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}
