package compose

import (
	"context"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Mounted returns the paths on the Engine's host that a container mounts, of
// whatever project and running or not; sorted, each once. The devices of
// named volumes are not among them. It makes one call.
func (t *Target) Mounted(ctx context.Context) ([]string, error) {
	items, err := t.engine.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, t.reached(err)
	}
	paths := map[string]bool{}
	for _, item := range items {
		for _, m := range item.Mounts {
			if m.Type == mount.TypeBind {
				paths[m.Source] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(paths)), nil
}
