package compose

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/docker/docker/api/types/network"

	"deployer/project"
)

// foreign looks at the containers of a project that were made by somebody
// else, as by `docker compose up` before the stack was adopted, and says of
// each why it cannot stay; empty where it is what is wanted. Its hash says
// nothing: that is of another spelling of the same thing.
func (t *Target) foreign(ctx context.Context, want *types.Project, have []project.Container) (map[string]string, error) {
	r := &reader{Target: t, services: map[string]string{}}
	for _, c := range have {
		r.services[c.ID] = c.Service
	}
	out := map[string]string{}
	for _, c := range have {
		s, wanted := want.Services[c.Service]
		if !wanted || made(c) {
			continue
		}
		if r.networks == nil {
			r.networks = map[string]network.Inspect{}
		}
		f, err := r.read(ctx, c)
		if err != nil {
			return nil, err
		}
		why := differs(want, s, f)
		for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
			n := want.Networks[key]
			hash, err := compose.NetworkHash(&n)
			if err != nil {
				return nil, fmt.Errorf("network %s: %w", key, err)
			}
			have := r.networks[n.Name].Labels[api.ConfigHashLabel]
			if !bool(n.External) && have != "" && have != hash {
				why = append(why, "definition of network "+key)
			}
		}
		out[c.ID] = strings.Join(why, "; ")
		if len(why) > 0 {
			out[c.ID] = project.NotOurs + out[c.ID]
		}
	}
	return out, nil
}

func made(c project.Container) bool {
	_, resources := c.Labels[resourcesLabel]
	return resources || c.Labels[madeLabel] != ""
}

// differs names what a service wants that a container found does not have, in
// words without the values of variables and labels.
func differs(want *types.Project, s types.ServiceConfig, f *found) []string {
	a, b := canonical(nil, f.service, &f.image), canonical(want, s, &f.image)
	for key, name := range f.names { // by the name on the Engine, as the other one
		a.networks[name] = a.networks[key]
		if name != key {
			delete(a.networks, key)
		}
	}
	var out []string
	if a.Image != b.Image {
		out = append(out, "image")
		// What comes with the image is another one's; the rest is compared in vain.
		return out
	}
	for what, pair := range map[string][2]map[string]string{
		"environment": {a.environment, b.environment}, "labels": {a.labels, b.labels}, "networks": {a.networks, b.networks},
	} {
		if names := unequal(pair[0], pair[1]); len(names) > 0 {
			out = append(out, what+": "+strings.Join(names, ", "))
		}
	}
	for _, target := range unequal(a.mounts, b.mounts) {
		out = append(out, fmt.Sprintf("mount at %s: %s → %s", target, cmp.Or(a.mounts[target], "none"), cmp.Or(b.mounts[target], "none")))
	}
	if !slices.Equal(a.ports, b.ports) {
		out = append(out, fmt.Sprintf("ports: %s → %s", cmp.Or(strings.Join(a.ports, ", "), "none"), cmp.Or(strings.Join(b.ports, ", "), "none")))
	}
	x, y := fieldsOf(a.ServiceConfig), fieldsOf(b.ServiceConfig)
	for _, key := range slices.Sorted(maps.Keys(union(x, y))) {
		if !reflect.DeepEqual(x[key], y[key]) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

func unequal(a, b map[string]string) []string {
	var out []string
	for name := range union(a, b) {
		x, inA := a[name]
		y, inB := b[name]
		if inA != inB || x != y {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func union[T any](a, b map[string]T) map[string]bool {
	out := map[string]bool{}
	for name := range a {
		out[name] = true
	}
	for name := range b {
		out[name] = true
	}
	return out
}

// fieldsOf are the fields of a service that say something.
func fieldsOf(s types.ServiceConfig) map[string]any {
	var out map[string]any
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		return map[string]any{"configuration": err.Error()}
	}
	maps.DeleteFunc(out, func(_ string, v any) bool {
		list, isList := v.([]any)
		mapping, isMap := v.(map[string]any)
		return v == nil || isList && len(list) == 0 || isMap && len(mapping) == 0
	})
	return out
}
