package compose

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"deployer/project"
)

// Whatever way leads to it, deployer does nothing to the project that it runs
// in, and goes on doing it to others.
func TestDeployerSparesItself(t *testing.T) {
	r := newRig(t)
	p := r.resolve(`
services:
  deployer: {image: IMAGE, volumes: ["data:/data"]}
  beside: {image: IMAGE}
volumes: {data: {}}
`)
	r.mustApply(p)
	before := r.containers()
	own, volume := before["deployer-1"].ID, r.name+"_data"
	options := project.ApplyOptions{Wait: time.Second, RemoveOrphans: true, StopTimeout: time.Second}
	other := r.in("0000000000000000000000000000000000000000000000000000000000000000")

	for name, do := range map[string]func(context.Context, *Target) error{
		"plan":    func(ctx context.Context, t *Target) error { _, err := t.Plan(ctx, p, nil); return err },
		"apply":   func(ctx context.Context, t *Target) error { return t.Apply(ctx, p, options) },
		"adopt":   func(ctx context.Context, t *Target) error { _, err := t.Running(ctx, r.name); return err },
		"restart": func(ctx context.Context, t *Target) error { return t.Restart(ctx, r.name, "") },
		"stop":    func(ctx context.Context, t *Target) error { return t.Stop(ctx, r.name, "beside") },
		"remove":  func(ctx context.Context, t *Target) error { return t.Down(ctx, r.name) },
		"restore": func(ctx context.Context, t *Target) error { return t.RenewVolume(ctx, p, volume) },
		"pause":   func(ctx context.Context, t *Target) error { return t.Pause(ctx, []string{own}) },
		"hold":    func(ctx context.Context, t *Target) error { return t.StopContainers(ctx, []string{own}) },
		"room":    func(ctx context.Context, t *Target) error { return t.StopContainer(ctx, own[:12]) },
		"tidy":    func(ctx context.Context, t *Target) error { return t.removeContainer(ctx, own) },
	} {
		err := do(t.Context(), r.in(own)) // one that has not looked for itself yet
		refused := (*OwnError)(nil)
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), r.name) || refused.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	after := r.containers()
	for name, c := range before {
		if after[name].ID != c.ID || after[name].State != "running" {
			t.Errorf("%s is %+v", name, after[name])
		}
	}
	known := r.in(own)
	if err := known.Own(r.name); err != nil {
		t.Errorf("before it has looked: %v", err)
	}
	if _, err := known.Home(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := known.Own(r.name); !errors.As(err, new(*OwnError)) {
		t.Errorf("its own project: %v", err)
	}
	if err := known.Own(r.name + "-other"); err != nil {
		t.Errorf("another project: %v", err)
	}
	if err := other.Down(t.Context(), r.name); err != nil { // another Engine has a container of deployer's
		t.Errorf("a deployer elsewhere: %v", err)
	}
}
