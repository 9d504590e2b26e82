package compose

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"

	cerrdefs "github.com/containerd/errdefs"

	"deployer/project"
)

const (
	maxFile  = 8 << 20 // of a container's file that is read into memory
	maxLinks = 5
)

// ReadFile reads a regular file of a service's first container, of one that
// runs before others. The container need not run, and nothing is started in
// it. An error about a file that is not there is an fs.ErrNotExist.
func (t *Target) ReadFile(ctx context.Context, projectName, service, name string) (project.ContainerFile, error) {
	containers, err := t.Containers(ctx, projectName)
	if err != nil {
		return project.ContainerFile{}, err
	}
	of := byService(containers)[service]
	if len(of) == 0 {
		return project.ContainerFile{}, fmt.Errorf("service %s of project %s has no container; deploy it first", service, projectName)
	}
	from := of[0]
	for _, c := range of {
		if c.State == "running" {
			from = c
			break
		}
	}
	file, err := t.readFile(ctx, from.ID, name)
	switch {
	case cerrdefs.IsNotFound(err):
		return file, fmt.Errorf("container %s has no file %s: %w", from.Name, name, fs.ErrNotExist)
	case err != nil:
		return file, t.reached(fmt.Errorf("read %s in container %s: %w", name, from.Name, err))
	}
	return file, nil
}

func (t *Target) readFile(ctx context.Context, id, name string) (project.ContainerFile, error) {
	for range maxLinks {
		stat, err := t.engine.ContainerStatPath(ctx, id, name)
		if err != nil {
			return project.ContainerFile{}, err
		}
		if stat.Mode&fs.ModeSymlink == 0 {
			return t.copyFile(ctx, id, name)
		}
		if next := stat.LinkTarget; path.IsAbs(next) {
			name = next
		} else {
			name = path.Join(path.Dir(name), next)
		}
	}
	return project.ContainerFile{}, fmt.Errorf("more than %d symbolic links", maxLinks)
}

func (t *Target) copyFile(ctx context.Context, id, name string) (file project.ContainerFile, err error) {
	stream, _, err := t.engine.CopyFromContainer(ctx, id, name)
	if err != nil {
		return file, err
	}
	defer stream.Close()
	archive := tar.NewReader(stream)
	header, err := archive.Next()
	switch {
	case err != nil:
		return file, err
	case header.Typeflag != tar.TypeReg:
		return file, fmt.Errorf("it is not a regular file")
	case header.Size > maxFile:
		return file, fmt.Errorf("it has %d bytes, more than %d", header.Size, maxFile)
	}
	content, err := io.ReadAll(archive)
	return project.ContainerFile{
		Content: content, Mode: header.FileInfo().Mode().Perm(), UID: header.Uid, GID: header.Gid, Modified: header.ModTime,
	}, err
}
