package compose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
)

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
