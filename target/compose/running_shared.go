package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

func (r *reader) readNetworks(ctx context.Context, f *found) error {
	s, mode := &f.service, f.inspected.HostConfig.NetworkMode
	if mode.IsHost() || mode.IsNone() || mode.IsContainer() || mode.IsBridge() || mode.IsDefault() {
		s.NetworkMode = r.shared(string(mode))
		return nil
	}
	s.Networks = map[string]*types.ServiceNetworkConfig{}
	own := []string{s.Name, strings.TrimPrefix(f.inspected.Name, "/"), f.inspected.ID[:12], f.inspected.Config.Hostname}
	for name, at := range f.inspected.NetworkSettings.Networks {
		n, err := r.network(ctx, name)
		if err != nil {
			return err
		}
		key := n.Labels[api.NetworkLabel]
		if key == "" || n.Labels[api.ProjectLabel] != f.inspected.Config.Labels[api.ProjectLabel] {
			key = name
		}
		config := &types.ServiceNetworkConfig{}
		for _, alias := range at.Aliases {
			if !slices.Contains(own, alias) && !slices.Contains(config.Aliases, alias) {
				config.Aliases = append(config.Aliases, alias)
			}
		}
		slices.Sort(config.Aliases)
		if at.IPAMConfig != nil {
			config.Ipv4Address, config.Ipv6Address, config.LinkLocalIPs = at.IPAMConfig.IPv4Address, at.IPAMConfig.IPv6Address, at.IPAMConfig.LinkLocalIPs
		}
		s.Networks[key], f.names[key] = config, name
	}
	return nil
}

func (r *reader) network(ctx context.Context, name string) (network.Inspect, error) {
	if n, ok := r.networks[name]; ok {
		return n, nil
	}
	n, err := r.engine.NetworkInspect(ctx, name, network.InspectOptions{})
	if err != nil {
		return n, r.reached(fmt.Errorf("network %s: %w", name, err))
	}
	r.networks[name] = n
	return n, nil
}

// definition is how a network is defined, where what Compose has noted of it
// proves that; else it is taken as one that is there.
func (r *reader) definition(ctx context.Context, f *found, key string) (types.NetworkConfig, error) {
	n, err := r.network(ctx, f.names[key])
	if err != nil {
		return types.NetworkConfig{}, err
	}
	own := types.NetworkConfig{Name: n.Name, Internal: n.Internal, Attachable: n.Attachable, DriverOpts: n.Options}
	if n.Driver != "bridge" {
		own.Driver = n.Driver
	}
	if len(own.DriverOpts) == 0 {
		own.DriverOpts = nil
	}
	hash, err := compose.NetworkHash(&own)
	if err == nil && n.Labels[api.ConfigHashLabel] == hash {
		return own, nil
	}
	return types.NetworkConfig{Name: n.Name, External: true}, nil
}

// keyVolumes gives volumes the keys that they have in the compose file.
func (r *reader) keyVolumes(ctx context.Context, p *types.Project) error {
	keys := map[string]string{}
	list, err := r.engine.VolumeList(ctx, volume.ListOptions{Filters: ofProject(p.Name)})
	if err != nil {
		return r.reached(err)
	}
	for _, v := range list.Volumes {
		if key := v.Labels[api.VolumeLabel]; key != "" {
			keys[v.Name] = key
		}
	}
	renamed := types.Volumes{}
	for name, v := range p.Volumes {
		if keys[name] == "" {
			keys[name] = name
		}
		renamed[keys[name]] = v
	}
	p.Volumes = renamed
	for _, s := range p.Services {
		for i, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume && v.Source != "" {
				s.Volumes[i].Source = keys[v.Source]
			}
		}
	}
	return nil
}
