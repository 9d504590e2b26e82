package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"deployer/project"
)

const (
	// helperLabel marks, with the name of the project, the containers that a
	// volume is read and written through. They are never started.
	helperLabel = "deployer.volume-helper"
	volumeRoot  = "volume" // the top folder of a volume's stream
)

// VolumeExists reports whether the Engine has a volume of that name.
func (t *Target) VolumeExists(ctx context.Context, name string) (bool, error) {
	_, err := t.engine.VolumeInspect(ctx, name)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, t.reached(err)
}

// ReadVolume hands the content of a volume to fn as a tar stream below the one
// folder "volume", with owners, modes and links. Extended attributes and parts
// of a second are lost.
func (t *Target) ReadVolume(ctx context.Context, projectName, name string, fn func(io.Reader) error) error {
	return t.withVolume(ctx, projectName, name, func(helper string) error {
		content, _, err := t.engine.CopyFromContainer(ctx, helper, "/"+volumeRoot)
		if err != nil {
			return t.reached(fmt.Errorf("read volume %s: %w", name, err))
		}
		defer content.Close()
		return t.reached(fn(content))
	})
}

// WriteVolume puts a stream as of ReadVolume into a volume that exists. What
// is in the volume already stays, where the stream does not replace it.
func (t *Target) WriteVolume(ctx context.Context, projectName, name string, content io.Reader) error {
	return t.withVolume(ctx, projectName, name, func(helper string) error {
		broken := &source{Reader: content}
		err := t.engine.CopyToContainer(ctx, helper, "/", broken, container.CopyToContainerOptions{})
		if broken.err != nil { // the Engine only knows that the stream ended early
			return broken.err
		}
		if err != nil {
			err = t.reached(fmt.Errorf("write volume %s: %w", name, err))
		}
		return err
	})
}

// A source remembers why it broke off.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// RenewVolume makes a volume of the project anew: empty, with the definition
// and the labels that Compose would give it. One of that name is removed with
// its content, and so are the containers that mount it, which must not run.
// It is the one thing here that removes a volume.
func (t *Target) RenewVolume(ctx context.Context, p *project.Project, name string) error {
	if err := t.spareProject(ctx, p.Name); err != nil {
		return err
	}
	want, err := wantedVolume(p, name)
	if err != nil {
		return err
	}
	have, err := t.engine.VolumeInspect(ctx, name)
	switch {
	case cerrdefs.IsNotFound(err):
	case err != nil:
		return t.reached(err)
	default:
		want = volume.CreateOptions{Name: name, Driver: have.Driver, DriverOpts: have.Options, Labels: have.Labels}
		if err := t.removeVolume(ctx, name); err != nil {
			return err
		}
	}
	if _, err := t.engine.VolumeCreate(ctx, want); err != nil {
		return t.reached(fmt.Errorf("make volume %s: %w", name, err))
	}
	return nil
}

// RemoveVolume removes a volume that a restore has made, and could not fill.
func (t *Target) RemoveVolume(ctx context.Context, name string) error {
	return t.removeVolume(ctx, name)
}

func (t *Target) removeVolume(ctx context.Context, name string) error {
	users, err := t.mounting(ctx, name)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.State == "running" || u.State == "paused" || u.State == "restarting" {
			return fmt.Errorf("volume %s is used by container %s, which runs; stop it first", name, canonicalName(u))
		}
	}
	for _, u := range users {
		if err := t.removeContainer(ctx, u.ID); err != nil {
			return err
		}
	}
	if err := t.engine.VolumeRemove(ctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
		return t.reached(fmt.Errorf("remove volume %s: %w", name, err))
	}
	return nil
}

// wantedVolume is the volume of that name as Compose makes it.
func wantedVolume(p *project.Project, name string) (volume.CreateOptions, error) {
	for key, v := range p.Compose.Volumes {
		if v.Name = cmp.Or(v.Name, p.Name+"_"+key); v.Name != name {
			continue
		}
		hash, err := compose.VolumeHash(v)
		if err != nil {
			return volume.CreateOptions{}, err
		}
		labels := maps.Clone(map[string]string(v.Labels))
		if labels == nil {
			labels = map[string]string{}
		}
		if !v.External {
			maps.Copy(labels, map[string]string{
				api.ProjectLabel: p.Name, api.VolumeLabel: key, api.VersionLabel: api.ComposeVersion, api.ConfigHashLabel: hash,
			})
		}
		return volume.CreateOptions{Name: name, Driver: v.Driver, DriverOpts: v.DriverOpts, Labels: labels}, nil
	}
	return volume.CreateOptions{}, fmt.Errorf("project %s has no volume %s", p.Name, name)
}

// KeepsContent says why a volume keeps its content when it is removed, as one
// that stands for a folder of the host does; empty where it does not.
func (t *Target) KeepsContent(ctx context.Context, name string) (string, error) {
	have, err := t.engine.VolumeInspect(ctx, name)
	switch {
	case cerrdefs.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", t.reached(err)
	case have.Driver != "local":
		return "it is of the driver " + have.Driver, nil
	case have.Options["device"] != "" && have.Options["type"] != "tmpfs":
		return "its driver_opts make it stand for another place", nil
	}
	return "", nil
}

// withVolume calls fn with a container in which the volume is at /volume. It
// is never started: the Engine mounts its volumes to copy.
func (t *Target) withVolume(ctx context.Context, projectName, name string, fn func(helper string) error) error {
	// The Engine would make a volume that does not exist.
	exists, err := t.VolumeExists(ctx, name)
	if err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("volume %s does not exist", name)
	}
	base, err := t.anyImage(ctx, projectName)
	if err != nil {
		return err
	}
	created, err := t.engine.ContainerCreate(ctx,
		&container.Config{Image: base, Cmd: []string{"never started"}, NetworkDisabled: true, Labels: map[string]string{helperLabel: projectName}},
		&container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{{
			Type: mount.TypeVolume, Source: name, Target: "/" + volumeRoot, VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		}}}, nil, nil, "")
	if err != nil {
		return t.reached(fmt.Errorf("make a container to reach volume %s: %w", name, err))
	}
	err = fn(created.ID)
	return errors.Join(err, t.removeHelper(context.WithoutCancel(ctx), created.ID))
}

// removeHelper removes a helper with the anonymous volumes that its image
// asked for. Named ones are never removed with a container.
func (t *Target) removeHelper(ctx context.Context, id string) error {
	err := t.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) { // it is being removed
		return t.reached(fmt.Errorf("remove a container that was made to reach a volume: %w", err))
	}
	return nil
}

// RemoveHelpers removes what a crash has left of reading and writing volumes
// of a project.
func (t *Target) RemoveHelpers(ctx context.Context, projectName string) error {
	left, err := t.engine.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", helperLabel+"="+projectName)),
	})
	if err != nil {
		return t.reached(err)
	}
	var errs []error
	for _, c := range left {
		errs = append(errs, t.removeHelper(ctx, c.ID))
	}
	return errors.Join(errs...)
}

// anyImage is an image that the Engine has: nothing of it is run.
func (t *Target) anyImage(ctx context.Context, projectName string) (string, error) {
	items, err := t.listAll(ctx, projectName)
	if err != nil {
		return "", err
	}
	for _, item := range items {
		if _, err := t.engine.ImageInspect(ctx, item.ImageID); err == nil {
			return item.ImageID, nil
		}
	}
	images, err := t.engine.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return "", t.reached(err)
	}
	if len(images) == 0 {
		return "", errors.New("the Engine has no image, and one is needed to reach a volume; pull any")
	}
	return images[0].ID, nil
}

// mounting lists the containers that mount a volume, but for helpers.
func (t *Target) mounting(ctx context.Context, name string) ([]container.Summary, error) {
	items, err := t.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("volume", name))})
	if err != nil {
		return nil, t.reached(err)
	}
	var users []container.Summary
	for _, item := range items {
		if item.Labels[helperLabel] != "" {
			continue
		}
		for _, m := range item.Mounts { // the filter takes a destination, too
			if m.Type == mount.TypeVolume && m.Name == name {
				users = append(users, item)
				break
			}
		}
	}
	return users, nil
}
