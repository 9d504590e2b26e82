package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/moby/moby/client"
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
	mine := client.Filters{}.Add("label", "com.docker.compose.project="+project)
	containers, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	note(err)
	for _, item := range containers.Items {
		_, err := c.ContainerRemove(ctx, item.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		note(err)
	}
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
	note(err)
	for _, item := range networks.Items {
		_, err := c.NetworkRemove(ctx, item.ID, client.NetworkRemoveOptions{})
		note(err)
	}
	volumes, err := c.VolumeList(ctx, client.VolumeListOptions{Filters: mine})
	note(err)
	for _, item := range volumes.Items {
		_, err := c.VolumeRemove(ctx, item.Name, client.VolumeRemoveOptions{})
		note(err)
	}
	images, err := c.ImageList(ctx, client.ImageListOptions{Filters: mine})
	note(err)
	for _, item := range images.Items {
		_, err := c.ImageRemove(ctx, item.ID, client.ImageRemoveOptions{Force: true})
		note(err)
	}
	return failed
}
