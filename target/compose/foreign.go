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
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
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

// A spelledOut service has one spelling for one meaning.
type spelledOut struct {
	types.ServiceConfig                   // the rest
	environment, labels map[string]string // with those of the image
	networks            map[string]string // by name on the Engine
	mounts              map[string]string // by path in the container
	ports               []string
}

// canonical spells a service out, with what comes from its image. p is nil
// where networks and volumes have their names on the Engine.
func canonical(p *types.Project, s types.ServiceConfig, img *image.InspectResponse) spelledOut {
	c := spelledOut{
		ServiceConfig: s, environment: map[string]string{}, labels: maps.Clone(img.Config.Labels),
		networks: map[string]string{}, mounts: map[string]string{},
	}
	if c.labels == nil {
		c.labels = map[string]string{}
	}
	maps.Copy(c.labels, s.Labels)
	delete(c.labels, resourcesLabel)
	for _, line := range img.Config.Env {
		name, value, _ := strings.Cut(line, "=")
		c.environment[name] = value
	}
	for name, value := range s.Environment {
		if value != nil {
			c.environment[name] = *value
		}
	}
	for key, n := range s.Networks {
		if n == nil {
			n = &types.ServiceNetworkConfig{}
		}
		aliases := slices.Sorted(slices.Values(n.Aliases))
		name := key
		if p != nil {
			name = p.Networks[key].Name
		}
		c.networks[name] = strings.Join(append(aliases, n.Ipv4Address, n.Ipv6Address, n.MacAddress, strings.Join(n.LinkLocalIPs, " ")), ",")
	}
	c.spellMounts(p, img)
	for _, port := range s.Ports {
		c.ports = append(c.ports, portLine(port))
	}
	slices.Sort(c.ports)
	c.spellProcess(img)
	c.spellResources()
	c.CapAdd, c.CapDrop = capabilities(c.CapAdd), capabilities(c.CapDrop)
	c.Environment, c.Labels, c.Networks, c.Volumes, c.Tmpfs, c.Ports, c.Expose = nil, nil, nil, nil, nil, nil, nil
	// What says nothing about the container itself, or that it cannot tell.
	c.Build, c.Develop, c.Extends, c.DependsOn, c.Profiles, c.Scale, c.Attach = nil, nil, nil, nil, nil, nil, nil
	c.EnvFiles, c.LabelFiles, c.PostStart, c.PreStart, c.PreStop = nil, nil, nil, nil, nil
	c.PullPolicy, c.PullRefreshAfter, c.Platform, c.Cgroup, c.Image = "", "", "", "", s.Image
	return c
}

func portLine(p types.ServicePortConfig) string {
	ip := p.HostIP
	if ip == "0.0.0.0" {
		ip = ""
	}
	return strings.TrimLeft(fmt.Sprintf("%s:%s:%d/%s", ip, p.Published, p.Target, cmp.Or(p.Protocol, "tcp")), ":")
}

func (c *spelledOut) spellMounts(p *types.Project, img *image.InspectResponse) {
	for target := range img.Config.Volumes {
		c.mounts[target] = "a volume of its own"
	}
	for _, v := range c.Volumes {
		text := v.Source
		switch {
		case v.Type == types.VolumeTypeVolume && v.Source == "":
			text = "a volume of its own"
		case v.Type == types.VolumeTypeVolume:
			if p != nil {
				text = p.Volumes[v.Source].Name
			}
			text = "volume " + text
			if v.Volume != nil && v.Volume.Subpath != "" {
				text += " " + v.Volume.Subpath
			}
		case v.Type == types.VolumeTypeTmpfs:
			text = types.VolumeTypeTmpfs
			if v.Tmpfs != nil && (v.Tmpfs.Size > 0 || v.Tmpfs.Mode > 0) {
				text += fmt.Sprint(" ", int64(v.Tmpfs.Size), " ", v.Tmpfs.Mode)
			}
		case v.Bind != nil && v.Bind.Propagation != "" && v.Bind.Propagation != "rprivate":
			text += " " + v.Bind.Propagation
		}
		if v.ReadOnly {
			text += " (read-only)"
		}
		c.mounts[v.Target] = text
	}
	for _, line := range c.Tmpfs {
		target, options, _ := strings.Cut(line, ":")
		c.mounts[target] = strings.TrimSpace(types.VolumeTypeTmpfs + " " + options)
	}
}

// spellProcess spells out what runs, where the image says what the service
// does not.
func (c *spelledOut) spellProcess(img *image.InspectResponse) {
	if c.Command == nil && c.Entrypoint == nil {
		c.Command = types.ShellCommand(img.Config.Cmd)
	}
	if c.Entrypoint == nil {
		c.Entrypoint = types.ShellCommand(img.Config.Entrypoint)
	}
	if len(c.Command) == 0 {
		c.Command = nil
	}
	if len(c.Entrypoint) == 0 {
		c.Entrypoint = nil
	}
	c.User, c.WorkingDir = cmp.Or(c.User, img.Config.User), cmp.Or(c.WorkingDir, img.Config.WorkingDir)
	c.StopSignal = cmp.Or(c.StopSignal, img.Config.StopSignal, "SIGTERM")
	given, own := healthConfig(c.HealthCheck), &container.HealthConfig{}
	if h := img.Config.Healthcheck; h != nil {
		*own = container.HealthConfig{
			Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
		}
	}
	if len(given.Test) == 0 {
		given.Test = own.Test
	}
	if len(given.Test) > 0 && given.Test[0] != "NONE" {
		given.Interval, given.Timeout = cmp.Or(given.Interval, own.Interval), cmp.Or(given.Timeout, own.Timeout)
		given.StartPeriod, given.StartInterval = cmp.Or(given.StartPeriod, own.StartPeriod), cmp.Or(given.StartInterval, own.StartInterval)
		given.Retries = cmp.Or(given.Retries, own.Retries)
	}
	c.HealthCheck = nil
	if len(given.Test) > 0 {
		c.HealthCheck = healthCheckOf(given)
	}
	if c.Restart = restartPolicy(c.ServiceConfig); c.Restart == types.RestartPolicyNo {
		c.Restart = ""
	}
	if c.Init != nil && !*c.Init {
		c.Init = nil
	}
	if c.Logging != nil && c.Logging.Driver == "" && len(c.Logging.Options) == 0 {
		c.Logging = nil
	}
	if len(c.ExtraHosts) == 0 {
		c.ExtraHosts = nil
	}
}

func healthConfig(h *types.HealthCheckConfig) *container.HealthConfig {
	out := &container.HealthConfig{}
	if h == nil {
		return out
	}
	if h.Disable {
		out.Test = []string{"NONE"}
		return out
	}
	out.Test = h.Test
	for from, to := range map[*types.Duration]*time.Duration{
		h.Interval: &out.Interval, h.Timeout: &out.Timeout, h.StartPeriod: &out.StartPeriod, h.StartInterval: &out.StartInterval,
	} {
		if from != nil {
			*to = time.Duration(*from)
		}
	}
	if h.Retries != nil {
		out.Retries = int(*h.Retries)
	}
	return out
}

// capabilities are without the prefix that newer Engines add.
func capabilities(in []string) []string {
	var out []string
	for _, name := range in {
		out = append(out, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	slices.Sort(out)
	return out
}

// spellResources takes what deploy: says about resources for what the service
// itself may say.
func (c *spelledOut) spellResources() {
	if c.Deploy == nil {
		return
	}
	if l := c.Deploy.Resources.Limits; l != nil {
		c.MemLimit, c.CPUS, c.PidsLimit = cmp.Or(l.MemoryBytes, c.MemLimit), cmp.Or(float32(l.NanoCPUs), c.CPUS), cmp.Or(l.Pids, c.PidsLimit)
	}
	if l := c.Deploy.Resources.Reservations; l != nil {
		c.MemReservation = cmp.Or(l.MemoryBytes, c.MemReservation)
		if len(l.Devices) > 0 {
			return // it stays, for a difference
		}
	}
	c.Deploy = nil
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
