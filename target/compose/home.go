package compose

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
)

// A Home is the container on the target's Engine that deployer itself runs in.
type Home struct {
	Container string // its name
	Project   string // compose project; empty where it has none
	target    *Target
	own       container.InspectResponse
}

// Home finds deployer's own container; nil where it runs in none, or in one of
// another Engine. What it has found it asks for no more.
func (t *Target) Home(ctx context.Context) (*Home, error) {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	if t.own.id == "" || t.own.looked {
		return t.own.home, nil
	}
	home, err := t.findHome(ctx)
	if err == nil {
		t.own.home, t.own.looked = home, true
	}
	return home, err
}

func (t *Target) findHome(ctx context.Context) (*Home, error) {
	own, err := t.engine.ContainerInspect(ctx, t.own.id)
	if cerrdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, t.reached(fmt.Errorf("deployer's own container: %w", err))
	}
	if own.Config == nil {
		return nil, errors.New("deployer's own container: the Engine does not say how it was made")
	}
	return &Home{Container: strings.TrimPrefix(own.Name, "/"), Project: own.Config.Labels[api.ProjectLabel], target: t, own: own}, nil
}

// HostPath is where a folder of this container is on the Engine's host; empty
// where it is in no mount, so that nobody else can see it.
func (h *Home) HostPath(folder string) string {
	best, host := "", ""
	for _, m := range h.own.Mounts {
		rel, err := filepath.Rel(m.Destination, folder)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") || m.Type == mount.TypeTmpfs || len(m.Destination) <= len(best) {
			continue
		}
		best, host = m.Destination, filepath.Join(m.Source, rel)
	}
	return host
}

// Volumes are the names of the volumes that deployer's own container mounts.
func (h *Home) Volumes() []string {
	var out []string
	for _, m := range h.own.Mounts {
		if m.Type == mount.TypeVolume {
			out = append(out, m.Name)
		}
	}
	return out
}

const (
	probeLabel  = "deployer.probe" // its value is the id of the container that asks
	probePrefix = ".probe-"
)

// Probe proves that what another container mounts from a folder is what this
// one has there: a file that is written here is read through a container that
// is made of deployer's own image, never started, and removed.
func (h *Home) Probe(ctx context.Context, folder string) (err error) {
	h.sweep(ctx, folder)
	name := probePrefix + rand.Text()
	want := rand.Text()
	file := filepath.Join(folder, name)
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	t := h.target
	made, err := t.engine.ContainerCreate(ctx,
		&container.Config{Image: h.own.Image, Cmd: []string{"version"}, Labels: map[string]string{probeLabel: h.own.ID}},
		&container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{{Type: mount.TypeBind, Source: folder, Target: "/probe", ReadOnly: true}}},
		nil, nil, "")
	if err != nil {
		return t.reached(fmt.Errorf("a container that mounts %s: %w", folder, err))
	}
	defer func() { err = errors.Join(err, t.removeContainer(context.WithoutCancel(ctx), made.ID)) }()
	content, _, err := t.engine.CopyFromContainer(ctx, made.ID, "/probe/"+name)
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("a container that mounts %s does not see what deployer has there", folder)
	}
	if err != nil {
		return t.reached(fmt.Errorf("read %s through a container: %w", folder, err))
	}
	defer content.Close()
	raw, err := io.ReadAll(io.LimitReader(content, 1<<16))
	if err == nil && !strings.Contains(string(raw), want) {
		return fmt.Errorf("a container that mounts %s sees something else there", folder)
	}
	return err
}

// sweep removes what probes have left behind that were cut off: containers
// whose asker is gone or asks now, and files in the folder. What cannot be
// removed is in nobody's way.
func (h *Home) sweep(ctx context.Context, folder string) {
	files, _ := filepath.Glob(filepath.Join(folder, probePrefix+"*"))
	for _, file := range files {
		_ = os.Remove(file)
	}
	t := h.target
	left, _ := t.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", probeLabel))})
	for _, c := range left {
		asker := c.Labels[probeLabel]
		if _, err := t.engine.ContainerInspect(ctx, asker); asker == h.own.ID || cerrdefs.IsNotFound(err) {
			_ = t.removeContainer(ctx, c.ID)
		}
	}
}
