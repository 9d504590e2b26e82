package compose

import (
	"context"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"

	"deployer/project"
)

// Published lists the ports of the Engine's host that containers hold, of
// whatever project, as the Engine lists them: a port that is published on
// IPv4 and IPv6 comes twice. A stopped container holds none. It makes one call.
func (t *Target) Published(ctx context.Context) ([]project.Published, error) {
	items, err := t.engine.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return nil, t.reached(err)
	}
	var out []project.Published
	for _, item := range items {
		for _, port := range item.Ports {
			if port.PublicPort == 0 {
				continue // exposed only
			}
			out = append(out, project.Published{
				ContainerID: item.ID, Container: canonicalName(item),
				Project: item.Labels[api.ProjectLabel], Service: item.Labels[api.ServiceLabel],
				Address: port.IP, HostPort: int(port.PublicPort), Port: int(port.PrivatePort), Protocol: port.Type,
			})
		}
	}
	return out, nil
}
