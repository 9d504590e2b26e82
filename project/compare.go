package project

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// apart are the fields of a service that have words of their own, or that say
// nothing about the container. The rest is named by its key.
var apart = []string{"image", "environment", "volumes", "ports", "build", "pull_policy", "profiles", "scale", "deploy", "labels"}

// Compare finds what sets next apart from old, which may be nil where nothing
// was deployed before.
func Compare(old, next *Project) Difference {
	if old == nil {
		old = &Project{Compose: &types.Project{}, taint: &taint{}}
	}
	c := comparison{old: old, next: next}
	var d Difference
	names := slices.Concat(slices.Collect(maps.Keys(old.Compose.Services)), slices.Collect(maps.Keys(next.Compose.Services)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		_, before := old.Compose.Services[name]
		_, after := next.Compose.Services[name]
		switch {
		case !before:
			d.Services = append(d.Services, ServiceDifference{Name: name, Action: Added})
		case !after:
			d.Services = append(d.Services, ServiceDifference{Name: name, Action: Removed})
		default:
			if reasons := c.service(name); len(reasons) > 0 {
				d.Services = append(d.Services, ServiceDifference{Name: name, Action: Changed, Reasons: reasons})
			}
		}
	}
	volumes, networks := old.Compose.Volumes, old.Compose.Networks
	if old.adopted() {
		volumes = byNames(volumes, next.Compose.Volumes, func(v types.VolumeConfig) string { return v.Name })
		networks = byNames(networks, next.Compose.Networks, func(n types.NetworkConfig) string { return n.Name })
	}
	d.VolumesAdded, d.VolumesRemoved, d.VolumesChanged = definitions(volumes, next.Compose.Volumes, sameVolume)
	d.NetworksAdded, d.NetworksRemoved, d.NetworksChanged = definitions(networks, next.Compose.Networks, sameJSON[types.NetworkConfig])
	return d
}

// byNames takes what was adopted for what next says of the volume or network of
// the same name: all that is known of it is that name.
func byNames[M ~map[string]T, T any](old, next M, name func(T) string) M {
	out := M{}
	for key, o := range old {
		for nextKey, n := range next {
			if name(n) == name(o) {
				key, o = nextKey, n
				break
			}
		}
		out[key] = o
	}
	return out
}

// definitions compares the volumes or networks of two projects by their keys.
func definitions[T any](old, next map[string]T, same func(a, b T) bool) (added, removed, changed []string) {
	for name, n := range next {
		o, ok := old[name]
		switch {
		case !ok:
			added = append(added, name)
		case !same(o, n):
			changed = append(changed, name)
		}
	}
	for name := range old {
		if _, ok := next[name]; !ok {
			removed = append(removed, name)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	slices.Sort(changed)
	return added, removed, changed
}

// sameVolume leaves labels out: they do not decide where the data is.
func sameVolume(a, b types.VolumeConfig) bool {
	return a.Name == b.Name && cmp.Or(a.Driver, "local") == cmp.Or(b.Driver, "local") && a.External == b.External && maps.Equal(a.DriverOpts, b.DriverOpts)
}

func sameJSON[T any](a, b T) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// A comparison finds the reasons why one service differs.
type comparison struct{ old, next *Project }

func (c comparison) service(name string) []string {
	a, b := c.old.Compose.Services[name], c.next.Compose.Services[name]
	var out []string
	add := func(reason string) {
		if reason != "" {
			out = append(out, reason)
		}
	}
	add(c.image(name, a, b))
	add(c.environment(a.Environment, b.Environment))
	for _, key := range changedKeys(a, b) {
		add(key)
	}
	add(c.ports(a.Ports, b.Ports))
	add(named("labels", a.Labels, b.Labels))
	add(c.mounts(name, a.Volumes, b.Volumes))
	if x, y := a.GetScale(), b.GetScale(); x != y {
		add(fmt.Sprintf(scaled, x, y))
	}
	if !sameDeploy(a.Deploy, b.Deploy) {
		add("deploy")
	}
	return out
}

// changedKeys names the other fields of a service that differ.
func changedKeys(a, b types.ServiceConfig) []string {
	x, y := fields(a), fields(b)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(x)) {
		if !reflect.DeepEqual(x[key], y[key]) {
			out = append(out, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(y)) {
		if _, ok := x[key]; !ok {
			out = append(out, key)
		}
	}
	return out
}

func fields(s types.ServiceConfig) map[string]any {
	var out map[string]any
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		return map[string]any{"configuration": err.Error()}
	}
	for _, key := range apart {
		delete(out, key)
	}
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

// sameDeploy leaves the number of replicas out, which has words of its own.
func sameDeploy(a, b *types.DeployConfig) bool {
	plain := func(d *types.DeployConfig) types.DeployConfig {
		if d == nil {
			return types.DeployConfig{}
		}
		out := *d
		out.Replicas = nil
		return out
	}
	return sameJSON(plain(a), plain(b))
}

// named lists the names of a mapping that differ, and no values.
func named(what string, a, b map[string]string) string {
	var changed []string
	for _, name := range unionOf(a, b) {
		x, before := a[name]
		y, after := b[name]
		switch {
		case !before:
			changed = append(changed, name+" added")
		case !after:
			changed = append(changed, name+" removed")
		case x != y:
			changed = append(changed, name+" changed")
		}
	}
	if len(changed) == 0 {
		return ""
	}
	return what + ": " + strings.Join(changed, ", ")
}

func unionOf[T any](a, b map[string]T) []string {
	names := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(names)
	return slices.Compact(names)
}
