package compose

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/compose"

	"deployer/project"
	"deployer/state"
)

// Plan says what Apply would do to each service, given the containers that
// were observed: those of the project by name, then those to remove. It asks
// the Engine of containers that deployer has not made, and nothing else. A service that has only to be started again counts as
// recreated; one that is to have more containers, or fewer, is kept, with how many
// as the reason. Containers of services that the project no longer has are listed
// as removed, whatever ApplyOptions.RemoveOrphans will say.
func (t *Target) Plan(ctx context.Context, p *project.Project, observed []project.Container) ([]state.ServiceChange, error) {
	if err := t.spareProject(ctx, p.Name); err != nil {
		return nil, err
	}
	want, err := wanted(p)
	if err != nil {
		return nil, err
	}
	foreign, err := t.foreign(ctx, want, observed)
	if err != nil {
		return nil, err
	}
	return plan(want, observed, foreign)
}

// plan compares what is wanted with what there is. foreign is what differs of
// containers that deployer has not made.
func plan(want *types.Project, observed []project.Container, foreign map[string]string) ([]state.ServiceChange, error) {
	c := comparison{want: want, have: byService(withoutLeftOvers(observed)), foreign: foreign, decided: map[string]state.ServiceChange{}}
	var changes []state.ServiceChange
	for _, name := range slices.Sorted(maps.Keys(want.Services)) {
		change, err := c.decide(name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	for _, name := range slices.Sorted(maps.Keys(c.have)) {
		if _, ok := want.Services[name]; !ok {
			why := "not in the compose files any more"
			if !slices.ContainsFunc(c.have[name], made) {
				why = project.NotOurs + "not in the compose files"
			}
			changes = append(changes, state.ServiceChange{Name: name, Action: state.ActionRemove, Why: why})
		}
	}
	return changes, nil
}

// byService groups containers, each group in the order in which Compose picks
// the one whose namespaces other services share.
func byService(observed []project.Container) map[string][]project.Container {
	have := map[string][]project.Container{}
	for _, c := range observed {
		have[c.Service] = append(have[c.Service], c)
	}
	for _, containers := range have {
		slices.SortFunc(containers, func(a, b project.Container) int { return strings.Compare(a.Name, b.Name) })
	}
	return have
}

const (
	sharesWith = "shares a namespace or volumes with "
	otherCount = "replicas "
	noneLeft   = " → 0"
	notRunning = "not running"
)

type comparison struct {
	want    *types.Project
	have    map[string][]project.Container
	foreign map[string]string // why a container of somebody else cannot stay, by ID
	decided map[string]state.ServiceChange
}

func (c *comparison) decide(name string) (state.ServiceChange, error) {
	if change, ok := c.decided[name]; ok {
		return change, nil
	}
	change := state.ServiceChange{Name: name, Action: state.ActionKeep}
	c.decided[name] = change // ends a circle of shared namespaces, which Compose refuses
	why, err := c.difference(name)
	if err != nil {
		return change, err
	}
	switch {
	case why == "":
	case len(c.have[name]) == 0:
		change.Action, change.Why = state.ActionCreate, "new service"
	case strings.HasSuffix(why, noneLeft) && strings.HasPrefix(why, otherCount):
		change.Action, change.Why = state.ActionRemove, why
	case strings.HasPrefix(why, otherCount):
		change.Why = why // those that are there stay
	default:
		change.Action, change.Why = state.ActionRecreate, why
	}
	c.decided[name] = change
	return change, nil
}

// difference says why a service's containers cannot stay as they are; empty
// where they can.
func (c *comparison) difference(name string) (string, error) {
	s := c.want.Services[name]
	have := c.have[name]
	if len(have) == 0 && s.GetScale() > 0 {
		return "new service", nil
	}
	hash, err := compose.ServiceHash(c.withReferences(s))
	if err != nil {
		return "", fmt.Errorf("service %s: %w", name, err)
	}
	for _, container := range have {
		why, foreign := c.foreign[container.ID]
		switch {
		case container.Hash == hash:
		case foreign && why != "":
			return why, nil
		case foreign:
		case strings.HasPrefix(s.Image, "sha256:") && container.ImageID != s.Image:
			return "image", nil
		default:
			return "configuration", nil
		}
	}
	for _, parent := range sharedWith(s) {
		change, err := c.decide(parent)
		if err != nil {
			return "", err
		}
		if change.Action != state.ActionKeep {
			return sharesWith + parent, nil
		}
	}
	if len(have) != s.GetScale() {
		return fmt.Sprintf(otherCount+"%d → %d", len(have), s.GetScale()), nil
	}
	for _, container := range have {
		if !lives(container, endsByItself(c.want, name)) {
			return notRunning, nil
		}
	}
	return "", nil
}

// lives reports whether a container needs no start. A failing health check is
// no reason to touch one that the project does not change.
func lives(c project.Container, endsByItself bool) bool {
	switch c.State {
	case "running":
		return true
	case "exited":
		return c.ExitCode == 0 && endsByItself
	}
	return false
}

// withReferences replaces references to other services by their containers,
// as Compose does before it hashes a service.
func (c *comparison) withReferences(s types.ServiceConfig) types.ServiceConfig {
	first := func(service string) string {
		if containers := c.have[service]; len(containers) > 0 {
			return containers[0].ID
		}
		return ""
	}
	for _, mode := range []*string{&s.NetworkMode, &s.Ipc, &s.Pid} {
		if service, ok := strings.CutPrefix(*mode, types.ServicePrefix); ok {
			*mode = types.ContainerPrefix + first(service)
		}
	}
	s.VolumesFrom = slices.Clone(s.VolumesFrom)
	for i, source := range s.VolumesFrom {
		if container, ok := strings.CutPrefix(source, types.ContainerPrefix); ok {
			s.VolumesFrom[i], _, _ = strings.Cut(container, ":")
			continue
		}
		service, _, _ := strings.Cut(source, ":")
		s.VolumesFrom[i] = first(service)
	}
	return s
}

// sharedWith names the services whose containers s is tied to, so that it
// cannot outlive them.
func sharedWith(s types.ServiceConfig) []string {
	var names []string
	for _, mode := range []string{s.NetworkMode, s.Ipc, s.Pid} {
		if service, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
			names = append(names, service)
		}
	}
	for _, source := range s.VolumesFrom {
		if !strings.HasPrefix(source, types.ContainerPrefix) {
			service, _, _ := strings.Cut(source, ":")
			names = append(names, service)
		}
	}
	return names
}
