package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"deployer/internal/enginetest"
)

const withData = `
services: {web: {image: IMAGE, healthcheck: PROBE, volumes: ["data:/data"]}}
volumes: {data: {labels: {mine: "1"}}}
`

// content is a tar stream of a volume with owners, modes and links.
func content(t *testing.T, more ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range append([]tar.Header{
		{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o2750, Uid: 999, Gid: 998},
		{Name: "volume/secret", Typeflag: tar.TypeReg, Mode: 0o640, Uid: 70, Gid: 70, Size: 5},
		{Name: "volume/again", Typeflag: tar.TypeLink, Linkname: "volume/secret"},
		{Name: "volume/sub/", Typeflag: tar.TypeDir, Mode: 0o1777, Uid: 1, Gid: 2},
		{Name: "volume/sub/link", Typeflag: tar.TypeSymlink, Linkname: "../secret", Mode: 0o777},
		{Name: "volume/sub/run", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 0},
	}, more...) {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// listing is what a volume holds, a line an entry.
func (r *rig) listing(name string) string {
	r.t.Helper()
	var lines []string
	err := r.ReadVolume(r.t.Context(), r.name, name, func(stream io.Reader) error {
		entries := tar.NewReader(stream)
		for {
			h, err := entries.Next()
			if errors.Is(err, io.EOF) {
				slices.Sort(lines)
				return nil
			}
			if err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("%s %c %o %d:%d %d %s", h.Name, h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Size, h.Linkname))
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func (r *rig) helpers() int {
	r.t.Helper()
	left, err := r.engine.ContainerList(r.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", helperLabel+"="+r.name))})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(left)
}

// cache is the anonymous volume of a helper that is there now.
func (r *rig) cache() string {
	r.t.Helper()
	list, err := r.engine.ContainerList(r.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", helperLabel+"="+r.name))})
	if err != nil || len(list) != 1 {
		r.t.Fatalf("%d helpers, %v", len(list), err)
	}
	for _, m := range list[0].Mounts {
		if m.Destination == "/cache" {
			return m.Name
		}
	}
	r.t.Fatal("the image asks for no volume")
	return ""
}

func TestAVolumeGoesOutAndIntoAFreshOne(t *testing.T) {
	r := newRig(t)
	// An image that asks for a volume of its own, which must not be left over.
	r.image = enginetest.Image(t, r.engine, `VOLUME ["/cache"]`)
	enginetest.Cleanup(t, r.engine, r.name)
	p := r.resolve(withData)
	r.mustApply(p)
	data := r.name + "_data"
	if err := r.WriteVolume(t.Context(), r.name, data, bytes.NewReader(content(t))); err != nil {
		t.Fatal(err)
	}
	before := r.listing(data)
	for _, want := range []string{
		"volume/ 5 2750 999:998 0 ", "volume/again 0 640 70:70 5 \nvolume/secret 1", "volume/sub/ 5 1777 1:2",
		"volume/sub/link 2 777 0:0 0 ../secret", "volume/sub/run 0 4755 0:0",
	} {
		if !strings.Contains(before, want) && !strings.Contains(want, "\n") {
			t.Errorf("%q is not in\n%s", want, before)
		}
	}
	var kept bytes.Buffer
	cache := ""
	if err := r.ReadVolume(t.Context(), r.name, data, func(s io.Reader) error {
		cache = r.cache()
		_, err := io.Copy(&kept, s)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if exists, err := r.VolumeExists(t.Context(), cache); err != nil || exists {
		t.Errorf("the helper left a volume: %v", err)
	}
	if err := r.WriteVolume(t.Context(), r.name, data, bytes.NewReader(content(t, tar.Header{Name: "volume/extra", Typeflag: tar.TypeReg, Size: 1}))); err != nil {
		t.Fatal(err)
	}

	if err := r.RenewVolume(t.Context(), p, data); err == nil || !strings.Contains(err.Error(), "which runs") {
		t.Fatalf("a volume in use was removed: %v", err)
	}
	if err := r.StopContainers(t.Context(), []string{r.containers()["web-1"].ID}); err != nil {
		t.Fatal(err)
	}
	if err := r.RenewVolume(t.Context(), p, data); err != nil {
		t.Fatal(err)
	}
	if empty := r.listing(data); strings.Contains(empty, "\n") {
		t.Errorf("the fresh volume holds\n%s", empty)
	}
	if err := r.WriteVolume(t.Context(), r.name, data, &kept); err != nil {
		t.Fatal(err)
	}
	if after := r.listing(data); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	said := r.mustApply(p)
	if after := r.listing(data); after != before {
		t.Errorf("Compose changed the volume: %s\n%s", said, after)
	}
	if n := r.helpers(); n > 0 {
		t.Errorf("%d helpers are left", n)
	}
}

func TestALostVolumeIsMadeAsComposeDoes(t *testing.T) {
	r := newRig(t)
	p := r.resolve(withData)
	r.mustApply(p)
	data := r.name + "_data"
	made, err := r.engine.VolumeInspect(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Down(t.Context(), r.name); err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveVolume(t.Context(), data); err != nil {
		t.Fatal(err)
	}
	if err := r.ReadVolume(t.Context(), r.name, data, nil); err == nil {
		t.Error("a volume that does not exist was read")
	}
	if exists, err := r.VolumeExists(t.Context(), data); err != nil || exists {
		t.Errorf("reading made the volume: %v", err)
	}
	if err := r.RenewVolume(t.Context(), p, data); err != nil {
		t.Fatal(err)
	}
	again, err := r.engine.VolumeInspect(t.Context(), data)
	if err != nil || fmt.Sprint(again.Labels) != fmt.Sprint(made.Labels) || again.Driver != made.Driver {
		t.Errorf("%v %v, Compose made %v", again.Labels, err, made.Labels)
	}
	if err := r.RenewVolume(t.Context(), p, r.name+"_other"); err == nil {
		t.Error("a volume that is not the project's was made")
	}
}

func TestHelpersThatACrashLeftAreRemoved(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(withData))
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := errors.New("stop")
	err := r.ReadVolume(ctx, r.name, r.name+"_data", func(io.Reader) error { cancel(); return cancelled })
	if !errors.Is(err, cancelled) || r.helpers() != 0 {
		t.Errorf("%v, %d helpers are left", err, r.helpers())
	}
	_, err = r.engine.ContainerCreate(t.Context(), &container.Config{Image: r.image, Cmd: []string{"x"}, Labels: map[string]string{helperLabel: r.name}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveHelpers(t.Context(), r.name); err != nil || r.helpers() != 0 {
		t.Errorf("%v, %d helpers are left", err, r.helpers())
	}
	if len(r.containers()) != 1 {
		t.Error("the project's own container went")
	}
}

func TestWhatIsHeldGoesOn(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(`
services:
  web: {image: IMAGE, healthcheck: PROBE, volumes: ["data:/data"]}
  db: {image: IMAGE, healthcheck: PROBE, volumes: ["data:/data:ro"]}
  apart: {image: IMAGE, healthcheck: PROBE}
volumes: {data: {}}
`))
	users, err := r.Users(t.Context(), []string{r.name + "_data"})
	if err != nil || len(users) != 2 || users[0].Project != r.name {
		t.Fatalf("%v %v", users, err)
	}
	ids := []string{users[0].ID, users[1].ID}
	states := func(want string) {
		t.Helper()
		have := r.containers()
		if got := fmt.Sprintf("%s %s %s", have["web-1"].State, have["db-1"].State, have["apart-1"].State); got != want {
			t.Errorf("web, db and apart are %s, want %s", got, want)
		}
	}
	for range 2 { // each may be repeated
		if err := r.Pause(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	states("paused paused running")
	for range 2 {
		if err := r.LetGo(t.Context(), r.name, ids, false); err != nil {
			t.Fatal(err)
		}
	}
	states("running running running")
	if err := r.StopContainers(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	states("exited exited running")
	if err := r.LetGo(t.Context(), r.name, append(ids, "0123456789abcdef"), true); err != nil {
		t.Fatal(err)
	}
	states("running running running")
}

func TestAVolumeThatStandsForAFolderKeepsItsContent(t *testing.T) {
	r := newRig(t)
	for name, options := range map[string]map[string]string{
		"bound": {"type": "none", "o": "bind", "device": t.TempDir()},
		"plain": nil,
		"tmpfs": {"type": "tmpfs", "device": "tmpfs"},
	} {
		v, err := r.engine.VolumeCreate(t.Context(), volume.CreateOptions{Name: r.name + name, DriverOpts: options})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.engine.VolumeRemove(context.WithoutCancel(t.Context()), v.Name, true) })
		why, err := r.KeepsContent(t.Context(), v.Name)
		if err != nil || (why != "") != (name == "bound") {
			t.Errorf("%s: %q %v", name, why, err)
		}
	}
}
