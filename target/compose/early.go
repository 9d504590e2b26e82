package compose

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"deployer/project"
)

// early knows the containers that Apply has found healthy before the Engine
// has looked, each with the time of the start that was probed.
type early struct {
	mu     sync.Mutex
	starts map[containerOf]string
}

type containerOf struct{ project, id string }

func (e *early) add(projectName, id, startedAt string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.starts == nil {
		e.starts = map[containerOf]string{}
	}
	e.starts[containerOf{projectName, id}] = startedAt
}

func (e *early) start(projectName, id string) (startedAt string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	startedAt, ok = e.starts[containerOf{projectName, id}]
	return startedAt, ok
}

// forget forgets the project's containers other than those that there are.
func (e *early) forget(projectName string, have []project.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.starts, func(k containerOf, _ string) bool {
		return k.project == projectName && !slices.ContainsFunc(have, func(c project.Container) bool { return c.ID == k.id })
	})
}

// correct makes healthy those containers that the Engine calls starting, but
// that Apply has found healthy since their last start.
func (t *Target) correct(ctx context.Context, projectName string, have []project.Container) error {
	for i, c := range have {
		startedAt, ok := t.early.start(projectName, c.ID)
		if !ok || c.State != container.StateRunning || c.Health != container.Starting {
			continue
		}
		inspected, err := t.engine.ContainerInspect(ctx, c.ID)
		switch {
		case cerrdefs.IsNotFound(err):
		case err != nil:
			return t.reached(fmt.Errorf("container %s: %w", c.Name, err))
		case inspected.State.Running && inspected.State.StartedAt == startedAt:
			have[i].Health = container.Healthy
		}
	}
	return nil
}
