package compose

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// StopContainer stops one container, whatever its restart policy. One that is
// stopped already, or gone, is no error.
func (t *Target) StopContainer(ctx context.Context, id string) error {
	if err := t.spare(ctx, id); err != nil {
		return err
	}
	err := t.engine.ContainerStop(ctx, id, container.StopOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return t.reached(fmt.Errorf("stop container %.12s: %w", id, err))
	}
	return nil
}

// StartContainer starts a container that was stopped. One that runs, or that
// is gone because another took its place, is no error.
func (t *Target) StartContainer(ctx context.Context, id string) error {
	err := t.engine.ContainerStart(ctx, id, container.StartOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return t.reached(fmt.Errorf("start container %.12s: %w", id, err))
	}
	return nil
}
