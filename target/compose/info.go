package compose

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"deployer/project"
)

// Info describes the Engine.
func (t *Target) Info(ctx context.Context) (project.Engine, error) {
	version, err := t.engine.ServerVersion(ctx)
	if err != nil {
		return project.Engine{}, t.reached(err)
	}
	info, err := t.engine.Info(ctx)
	if err != nil {
		return project.Engine{}, t.reached(fmt.Errorf("docker info: %w", err))
	}
	return project.Engine{
		Version: version.Version, APIVersion: version.APIVersion, OS: version.Os, Arch: version.Arch,
		RootDir: info.DockerRootDir, Containers: info.Containers,
		FreeBytes: t.freeBytes(info.DockerRootDir),
	}, nil
}

// freeBytes looks at the folder itself, which only an Engine on this machine
// shares with deployer.
func (t *Target) freeBytes(dir string) int64 {
	var fs syscall.Statfs_t
	if !strings.HasPrefix(t.host, "unix://") || syscall.Statfs(dir, &fs) != nil {
		return -1
	}
	return int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // narrower on other architectures
}
