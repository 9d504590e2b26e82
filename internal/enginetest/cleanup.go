package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Cleanup removes the project's containers, networks and volumes, and the
// images that bear its label, when the test is over, however it ends.
func Cleanup(t testing.TB, c *client.Client, project string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		for _, err := range remove(ctx, c, project) {
			t.Errorf("clean up %s: %v", project, err)
		}
	})
}

func remove(ctx context.Context, c *client.Client, project string) (failed []error) {
	note := func(err error) {
		if err != nil {
			failed = append(failed, err)
		}
	}
	mine := filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+project))
	containers, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	note(err)
	for _, item := range containers {
		note(c.ContainerRemove(ctx, item.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	networks, err := c.NetworkList(ctx, network.ListOptions{Filters: mine})
	note(err)
	for _, item := range networks {
		note(c.NetworkRemove(ctx, item.ID))
	}
	volumes, err := c.VolumeList(ctx, volume.ListOptions{Filters: mine})
	note(err)
	for _, item := range volumes.Volumes {
		note(c.VolumeRemove(ctx, item.Name, false))
	}
	images, err := c.ImageList(ctx, image.ListOptions{Filters: mine})
	note(err)
	for _, item := range images {
		_, err := c.ImageRemove(ctx, item.ID, image.RemoveOptions{Force: true})
		note(err)
	}
	return failed
}
