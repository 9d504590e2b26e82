package pipeline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"deployer/project"
	"deployer/state"
)

// changes says what taking the target to the execution's project would do to
// each service, and why: the action is the target's, by the rules by which it
// deploys; the reason is refined by comparing with the live release.
func (x *Execution) changes(ctx context.Context, observed []project.Container) (*state.Changes, error) {
	services, err := x.Stack.Target.Plan(ctx, x.Project, observed)
	if err != nil {
		return nil, err
	}
	services = slices.DeleteFunc(services, func(s state.ServiceChange) bool {
		return s.Action == state.ActionRemove && x.File.Deploy.Orphans == "keep"
	})
	if live := x.Known.Live; live != nil {
		if old, err := x.runner.resolveKept(x.Stack, live); err == nil {
			explain(services, project.Compare(old, x.Project))
		}
	}
	return &state.Changes{Services: services}, nil
}

func explain(services []state.ServiceChange, difference project.Difference) {
	for i := range services {
		s := &services[i]
		if s.Action != state.ActionRecreate || strings.HasPrefix(s.Why, project.NotOurs) {
			continue
		}
		if why := difference.Why(s.Name); why != "" {
			s.Why = why
		}
	}
}

// plan goes the way of a run as far as nothing is touched: it fetches,
// decrypts and resolves, and compares with what runs.
func (r *Runner) plan(ctx context.Context, s *Stack, run *state.Run) (*state.Changes, error) {
	x := &Execution{Stack: s, Run: run, Log: io.Discard, Mask: r.parts.Mask(), runner: r, Known: &state.Stack{Name: s.Name},
		stage: &state.StageResult{}, show: func() {}}
	for _, work := range []func(context.Context, *Execution) error{fetch, decrypt} {
		if err := work(ctx, x); err != nil {
			return nil, x.masked(err)
		}
	}
	p, err := project.Load(ctx, x.source())
	if err != nil {
		return nil, x.masked(err)
	}
	x.Project = p
	if err := x.nameBuilds(); err != nil {
		return nil, x.masked(err)
	}
	// An image that is not here yet is not what runs: its service differs without it, too.
	images, _ := s.Target.Images(ctx, p, "never", io.Discard)
	p.PinImages(images)
	if err := r.store.View(func(tx *state.Tx) (err error) {
		x.Known, err = tx.Stack(s.Name)
		return err
	}); err != nil {
		return nil, err
	}
	observed, err := s.Target.Containers(ctx, s.Project)
	if err != nil {
		return nil, err
	}
	return x.changes(ctx, observed)
}

// masked is err as it may be shown.
func (x *Execution) masked(err error) error {
	return WithHint(fmt.Errorf("%s", x.Mask.Redact(err.Error())), x.Mask.Redact(Hint(err)))
}
