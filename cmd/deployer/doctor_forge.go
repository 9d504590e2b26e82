package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"deployer/config"
	"deployer/forge"
	"deployer/state"
)

// expiresSoon is how long before its end a token should be replaced.
const expiresSoon = 14 * 24 * time.Hour

// forges tries the token of each repository's forge.
func (d *doctor) forges(ctx context.Context) {
	for _, name := range slices.Sorted(maps.Keys(d.config.Repositories)) {
		d.look(ctx, "forge of "+name, func(ctx context.Context) finding { return d.forge(ctx, d.config.Repositories[name]) })
	}
}

func (d *doctor) forge(ctx context.Context, r *config.Repository) finding {
	if r.Forge == nil {
		return finding{state.StepSkipped, "it has no forge: in deployer.yaml, so commits get no status and pull requests no comment", ""}
	}
	client, err := forgeOf(r)
	if err != nil {
		return missing("correct forge: in deployer.yaml", "%v", err)
	}
	standing, err := client.Examine(ctx)
	if refused := (*forge.Refusal)(nil); errors.As(err, &refused) {
		return missing(refused.Hint, "%s", refused.Why)
	}
	if later := (*forge.Later)(nil); errors.As(err, &later) {
		return doubtful("try again later", "%s", later.Why)
	}
	if err != nil {
		return missing("see that forge.api in deployer.yaml is the address of the API, that this server reaches it, and that its token can be read", "%v", err)
	}
	return d.judge(r.Forge, standing)
}

func (d *doctor) judge(f *config.Forge, s forge.Standing) finding {
	left := s.Expires.Sub(d.now())
	switch {
	case len(s.Lacks) > 0:
		return missing("give the token in forge.token of deployer.yaml "+s.Needs, "%s takes the token, which lacks %s", f.Provider, strings.Join(s.Lacks, ", "))
	case !s.Expires.IsZero() && left < expiresSoon:
		return doubtful("make a new token with "+s.Needs, "%s takes the token, which expires on %s", f.Provider, s.Expires.Format(time.DateOnly))
	case s.Unproven != "":
		return doubtful("the token needs "+s.Needs, "%s takes the token; not proven from outside is %s", f.Provider, s.Unproven)
	}
	until := ""
	if !s.Expires.IsZero() {
		until = ", until " + s.Expires.Format(time.DateOnly)
	}
	return fine("%s takes the token, which may set statuses and write comments%s", f.Provider, until)
}
