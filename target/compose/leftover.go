package compose

import (
	"context"
	"regexp"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"

	"deployer/project"
)

var temporary = regexp.MustCompile(`^[0-9a-f]{12}_(.+)$`)

// finalName returns the name that Compose would have given to a container
// that it made to replace another; false for every other container.
func finalName(c project.Container) (string, bool) {
	m := temporary.FindStringSubmatch(c.Name)
	if m == nil || c.Labels[api.ContainerReplaceLabel] == "" {
		return "", false
	}
	return m[1], true
}

// withoutLeftOvers leaves out the containers that a crash in the middle of a
// recreation has left beside those that they were to replace.
func withoutLeftOvers(observed []project.Container) []project.Container {
	return slices.DeleteFunc(slices.Clone(observed), func(c project.Container) bool {
		name, ok := finalName(c)
		return ok && named(observed, name)
	})
}

func named(observed []project.Container, name string) bool {
	return slices.ContainsFunc(observed, func(c project.Container) bool { return c.Name == name })
}

// tidy ends what a crash has left half done. A replacement is removed while
// the container that it was to replace is still there; else it takes the name
// and with it the anonymous volumes that it has inherited. Paused containers
// are woken, for Compose cannot start them.
func (t *Target) tidy(ctx context.Context, observed []project.Container) error {
	for _, c := range observed {
		var err error
		switch name, ok := finalName(c); {
		case ok && named(observed, name):
			err = t.removeContainer(ctx, c.ID)
		case ok:
			err = t.engine.ContainerRename(ctx, c.ID, name)
			if cerrdefs.IsConflict(err) { // somebody else has it: what comes next replaces this one
				err = nil
			}
		case c.State == "paused":
			err = t.engine.ContainerUnpause(ctx, c.ID)
		}
		if err != nil {
			return t.reached(err)
		}
	}
	return nil
}

// removeContainer removes a container, not its volumes.
func (t *Target) removeContainer(ctx context.Context, id string) error {
	if err := t.spare(ctx, id); err != nil {
		return err
	}
	err := t.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return t.reached(err)
}
