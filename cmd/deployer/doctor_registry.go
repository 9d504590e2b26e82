package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"deployer/config"
	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
	"deployer/target/compose"
)

// registries has each Engine sign in at the registries that there are
// credentials for: those of deployer.yaml, and of Docker's own configuration.
func (d *doctor) registries(ctx context.Context) {
	hosts, err := compose.DockersRegistries()
	if err != nil {
		d.look(ctx, "registries", func(context.Context) finding { return missing(pipeline.Hint(err), "%v", err) })
	}
	hosts = slices.AppendSeq(hosts, maps.Keys(d.config.Registries))
	slices.Sort(hosts)
	targets := d.targets()
	for _, host := range slices.Compact(hosts) {
		if len(targets) == 0 {
			d.look(ctx, "registry "+host, func(context.Context) finding {
				return finding{state.StepSkipped, "no stack names an Engine that would pull from it", ""}
			})
		}
		for _, target := range targets {
			name := "registry " + host
			if len(targets) > 1 {
				name += " from " + target.Docker
			}
			d.look(ctx, name, func(ctx context.Context) finding { return d.registry(ctx, target, host) })
		}
	}
}

func (d *doctor) registry(ctx context.Context, target config.Target, host string) finding {
	t, err := d.open(target)
	if err != nil {
		return missing("correct target: in deployer.yaml", "%v", err)
	}
	defer t.Close()
	as, err := t.SignIn(ctx, host)
	switch {
	case errors.Is(err, project.ErrEngineUnreachable):
		return finding{state.StepSkipped, "its Engine does not answer, which is what asks it", ""}
	case err != nil:
		return missing(pipeline.Hint(err), "%v", err)
	case as == "":
		return finding{state.StepSkipped, "Docker's configuration names it, and has no credentials for it", ""}
	}
	return fine("takes %s", as)
}
