package compose

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"deployer/project"
)

// Running describes a project by its containers as the Engine shows them:
// what would make the same ones again. Its networks and volumes are those that
// are there; nothing is changed.
func (t *Target) Running(ctx context.Context, projectName string) (*project.Running, error) {
	if err := t.spareProject(ctx, projectName); err != nil {
		return nil, err
	}
	items, err := t.list(ctx, projectName)
	if err != nil {
		return nil, err
	}
	r := &reader{Target: t, services: map[string]string{}, networks: map[string]network.Inspect{}}
	for _, c := range observed(items) {
		r.services[c.ID] = c.Service
	}
	out := &project.Running{Compose: &types.Project{
		Name: projectName, Services: types.Services{}, Networks: types.Networks{}, Volumes: types.Volumes{},
	}, Images: map[string]string{}}
	for _, c := range observed(items) {
		if _, known := out.Compose.Services[c.Service]; known {
			s := out.Compose.Services[c.Service]
			s.SetScale(s.GetScale() + 1)
			out.Compose.Services[c.Service] = s
			continue
		}
		f, err := r.read(ctx, c)
		if err != nil {
			return nil, err
		}
		out.Compose.Services[c.Service], out.Images[c.Service] = f.service, f.inspected.Image
		for name := range f.service.Networks {
			if out.Compose.Networks[name], err = r.definition(ctx, f, name); err != nil {
				return nil, err
			}
		}
		for _, v := range f.service.Volumes {
			if v.Type == types.VolumeTypeVolume && v.Source != "" {
				out.Compose.Volumes[v.Source] = types.VolumeConfig{Name: v.Source, External: true}
			}
		}
	}
	return out, r.keyVolumes(ctx, out.Compose)
}

// A reader reads containers that deployer has not made.
type reader struct {
	*Target
	services map[string]string // by ID of a container
	networks map[string]network.Inspect
	logging  string // the Engine's default
}

// found is such a container, and the service that would make it again: with
// all that it has from its image spelled out, networks and volumes by the
// names that they have on the Engine.
type found struct {
	inspected container.InspectResponse
	image     image.InspectResponse
	service   types.ServiceConfig
	names     map[string]string // of its networks on the Engine, by key
}

func (r *reader) read(ctx context.Context, c project.Container) (*found, error) {
	f := &found{names: map[string]string{}}
	var err error
	if f.inspected, err = r.engine.ContainerInspect(ctx, c.ID); err != nil {
		return nil, r.reached(fmt.Errorf("container %s: %w", c.Name, err))
	}
	if f.image, err = r.engine.ImageInspect(ctx, f.inspected.Image); err != nil {
		return nil, r.reached(fmt.Errorf("image of container %s: %w", c.Name, err))
	}
	if f.image.Config == nil || f.inspected.Config == nil || f.inspected.HostConfig == nil {
		return nil, fmt.Errorf("container %s: the Engine does not say how it was made", c.Name)
	}
	if r.logging == "" {
		info, err := r.engine.Info(ctx)
		if err != nil {
			return nil, r.reached(err)
		}
		r.logging = info.LoggingDriver
	}
	f.service = types.ServiceConfig{Name: c.Service}
	f.readConfig()
	r.readHost(f)
	f.readMounts()
	return f, r.readNetworks(ctx, f)
}

// readConfig takes what the container's own configuration says.
func (f *found) readConfig() {
	s, c := &f.service, f.inspected.Config
	s.Image = f.inspected.Image
	s.Command, s.Entrypoint = types.ShellCommand(c.Cmd), types.ShellCommand(c.Entrypoint)
	if s.Entrypoint == nil && len(f.image.Config.Entrypoint) > 0 {
		s.Entrypoint = types.ShellCommand{} // it was cleared
	}
	if s.Command == nil {
		s.Command = types.ShellCommand{}
	}
	s.Environment = types.NewMappingWithEquals(c.Env)
	s.Labels = types.Labels{}
	for name, value := range c.Labels {
		if name != resourcesLabel && !strings.HasPrefix(name, "com.docker.compose.") {
			s.Labels[name] = value
		}
	}
	s.User, s.WorkingDir, s.StopSignal, s.DomainName = c.User, c.WorkingDir, c.StopSignal, c.Domainname
	s.Tty, s.StdinOpen = c.Tty, c.OpenStdin
	if c.Hostname != f.inspected.ID[:12] {
		s.Hostname = c.Hostname
	}
	if c.StopTimeout != nil {
		grace := types.Duration(time.Duration(*c.StopTimeout) * time.Second)
		s.StopGracePeriod = &grace
	}
	s.HealthCheck = healthCheckOf(c.Healthcheck)
	name := strings.TrimPrefix(f.inspected.Name, "/")
	project := c.Labels[api.ProjectLabel]
	if !regexp.MustCompile(`^([0-9a-f]{12}_)?` + regexp.QuoteMeta(project) + `[-_]` + regexp.QuoteMeta(s.Name) + `[-_]\d+$`).MatchString(name) {
		s.ContainerName = name
	}
	for _, dependency := range strings.Split(c.Labels[api.DependenciesLabel], ",") {
		if part := strings.Split(dependency, ":"); len(part) == 3 {
			if s.DependsOn == nil {
				s.DependsOn = types.DependsOnConfig{}
			}
			s.DependsOn[part[0]] = types.ServiceDependency{Condition: part[1], Restart: part[2] == "true", Required: true}
		}
	}
	for port := range c.ExposedPorts {
		s.Expose = append(s.Expose, expose(port))
	}
	slices.Sort(s.Expose)
}

func expose(port nat.Port) string { return strings.TrimSuffix(string(port), "/tcp") }

func healthCheckOf(h *container.HealthConfig) *types.HealthCheckConfig {
	if h == nil {
		return nil
	}
	if len(h.Test) > 0 && h.Test[0] == "NONE" {
		return &types.HealthCheckConfig{Disable: true}
	}
	duration := func(d time.Duration) *types.Duration {
		if d == 0 {
			return nil
		}
		out := types.Duration(d)
		return &out
	}
	out := &types.HealthCheckConfig{
		Test: h.Test, Interval: duration(h.Interval), Timeout: duration(h.Timeout),
		StartPeriod: duration(h.StartPeriod), StartInterval: duration(h.StartInterval),
	}
	if h.Retries > 0 {
		retries := uint64(h.Retries)
		out.Retries = &retries
	}
	return out
}

// readHost takes what the Engine was told about the container's surroundings.
func (r *reader) readHost(f *found) {
	s, h := &f.service, f.inspected.HostConfig
	s.Restart = string(h.RestartPolicy.Name)
	if h.RestartPolicy.MaximumRetryCount > 0 {
		s.Restart += ":" + strconv.Itoa(h.RestartPolicy.MaximumRetryCount)
	}
	s.Privileged, s.ReadOnly, s.Init = h.Privileged, h.ReadonlyRootfs, h.Init
	s.CapAdd, s.CapDrop, s.SecurityOpt, s.GroupAdd = h.CapAdd, h.CapDrop, h.SecurityOpt, h.GroupAdd
	if h.Privileged { // the Engine says so itself
		s.SecurityOpt = slices.DeleteFunc(slices.Clone(s.SecurityOpt), func(o string) bool { return o == "label=disable" })
	}
	s.Ipc, s.Pid, s.Uts, s.UserNSMode = r.shared(string(h.IpcMode)), r.shared(string(h.PidMode)), string(h.UTSMode), string(h.UsernsMode)
	if s.Ipc == "private" || s.Ipc == "shareable" {
		s.Ipc = ""
	}
	s.DNS, s.DNSSearch, s.DNSOpts = h.DNS, h.DNSSearch, h.DNSOptions
	s.ExtraHosts, _ = types.NewHostsList(h.ExtraHosts)
	s.Sysctls, s.StorageOpt, s.VolumeDriver = h.Sysctls, h.StorageOpt, h.VolumeDriver
	s.OomScoreAdj = int64(h.OomScoreAdj)
	if h.ShmSize != 64<<20 {
		s.ShmSize = types.UnitBytes(h.ShmSize)
	}
	if h.Runtime != "runc" {
		s.Runtime = h.Runtime
	}
	if h.LogConfig.Type != r.logging || len(h.LogConfig.Config) > 0 {
		s.Logging = &types.LoggingConfig{Driver: h.LogConfig.Type, Options: h.LogConfig.Config}
	}
	for _, source := range h.VolumesFrom {
		id, mode, _ := strings.Cut(source, ":")
		if service := r.services[id]; service != "" {
			id = service
		} else {
			id = types.ContainerPrefix + id
		}
		if mode != "" && mode != "rw" {
			id += ":" + mode
		}
		s.VolumesFrom = append(s.VolumesFrom, id)
	}
	f.readResources()
	for port, bindings := range h.PortBindings {
		for _, b := range bindings {
			s.Ports = append(s.Ports, types.ServicePortConfig{
				Mode: "ingress", HostIP: b.HostIP, Published: b.HostPort, Protocol: port.Proto(), Target: uint32(port.Int()),
			})
		}
	}
	slices.SortFunc(s.Ports, func(a, b types.ServicePortConfig) int { return strings.Compare(portLine(a), portLine(b)) })
}

// shared turns a container whose namespace is shared into its service.
func (r *reader) shared(mode string) string {
	id, ok := strings.CutPrefix(mode, types.ContainerPrefix)
	if service := r.services[id]; ok && service != "" {
		return types.ServicePrefix + service
	}
	return mode
}

func (f *found) readResources() {
	s, h := &f.service, f.inspected.HostConfig
	s.MemLimit, s.MemReservation = types.UnitBytes(h.Memory), types.UnitBytes(h.MemoryReservation)
	if h.MemorySwap != 2*h.Memory { // else the Engine's own choice
		s.MemSwapLimit = types.UnitBytes(h.MemorySwap)
	}
	s.CPUS, s.CPUShares, s.CPUSet = float32(float64(h.NanoCPUs)/1e9), h.CPUShares, h.CpusetCpus
	s.CPUPeriod, s.CPUQuota, s.CgroupParent, s.DeviceCgroupRules = h.CPUPeriod, h.CPUQuota, h.CgroupParent, h.DeviceCgroupRules
	if h.PidsLimit != nil && *h.PidsLimit > 0 {
		s.PidsLimit = *h.PidsLimit
	}
	if h.OomKillDisable != nil {
		s.OomKillDisable = *h.OomKillDisable
	}
	for _, d := range h.Devices {
		s.Devices = append(s.Devices, types.DeviceMapping{Source: d.PathOnHost, Target: d.PathInContainer, Permissions: d.CgroupPermissions})
	}
	for _, u := range h.Ulimits {
		if s.Ulimits == nil {
			s.Ulimits = map[string]*types.UlimitsConfig{}
		}
		s.Ulimits[u.Name] = &types.UlimitsConfig{Soft: int(u.Soft), Hard: int(u.Hard)}
		if u.Soft == u.Hard {
			s.Ulimits[u.Name] = &types.UlimitsConfig{Single: int(u.Soft)}
		}
	}
}
