package main

import (
	"archive/tar"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

const demoImage = "deployer-demo:local"

func demoEngine() (*client.Client, error) {
	return client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
}

// makeDemoImage imports an image that holds this binary alone, and returns
// the Engine's version.
func makeDemoImage(ctx context.Context) (version string, err error) {
	engine, err := demoEngine()
	if err != nil {
		return "", err
	}
	defer engine.Close()
	info, err := engine.ServerVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("no Docker Engine answers: %w; install one (apt-get install docker.io) and start it, or run `make demo`, which does", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if err := mustBeStatic(self); err != nil {
		return "", err
	}
	read, write := io.Pipe()
	go func() { write.CloseWithError(tarOf(self, write)) }()
	answer, err := engine.ImageImport(ctx, image.ImportSource{Source: read, SourceName: "-"}, demoImage,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/deployer"]`}})
	if err != nil {
		return "", fmt.Errorf("import the demo's image: %w", err)
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return info.Version, err
}

// mustBeStatic refuses a binary that would not run in an empty image.
func mustBeStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("this binary is linked dynamically and cannot run in an empty image: build it with `make build` (CGO_ENABLED=0)")
		}
	}
	return nil
}

func tarOf(path string, w io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	if err := archive.WriteHeader(&tar.Header{Name: "deployer", Mode: 0o755, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, f); err != nil {
		return err
	}
	return archive.Close()
}

func removeDemoContainers(ctx context.Context) error {
	engine, err := demoEngine()
	if err != nil {
		return err
	}
	defer engine.Close()
	mine := filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+demoStack))
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if client.IsErrConnectionFailed(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}); err != nil {
			return err
		}
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: mine})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if err := engine.NetworkRemove(ctx, n.ID); err != nil {
			return err
		}
	}
	return nil
}

// removeDemoImage removes the demo's image and the names that deployer keeps for it.
func removeDemoImage(ctx context.Context) error {
	engine, err := demoEngine()
	if err != nil {
		return err
	}
	defer engine.Close()
	for _, reference := range []string{demoImage, "deployer.local/" + demoStack} {
		list, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", reference))})
		if err != nil {
			return err
		}
		for _, i := range list {
			if _, err := engine.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true}); err != nil {
				return err
			}
		}
	}
	return nil
}
