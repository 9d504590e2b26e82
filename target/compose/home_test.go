package compose

import (
	"os"
	"path/filepath"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"deployer/internal/enginetest"
)

// create makes a container of the test image with labels.
func (r *rig) create(labels map[string]string) (id string) {
	r.t.Helper()
	labels["com.docker.compose.project"] = r.name // to be removed
	made, err := r.engine.ContainerCreate(r.t.Context(), &container.Config{Image: r.image, Labels: labels}, nil, nil, nil, enginetest.Name(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	return made.ID
}

// in is the target of a deployer that runs in a container.
func (r *rig) in(container string) *Target {
	r.t.Helper()
	target, err := New(Options{Host: r.engine.DaemonHost(), Container: container})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = target.Close() })
	return target
}

// What a deployer that was killed while it looked at itself has left goes at
// the next look; what another one's look is made of stays.
func TestProbeRemovesWhatOthersHaveLeft(t *testing.T) {
	r := newRig(t)
	own, other := r.create(map[string]string{}), r.create(map[string]string{})
	const gone = "0000000000000000000000000000000000000000000000000000000000000000"
	left := map[string]string{own: "", gone: "", other: ""}
	for asker := range left {
		left[asker] = r.create(map[string]string{probeLabel: asker})
	}
	folder := t.TempDir()
	file := filepath.Join(folder, probePrefix+"LEFT")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	home, err := r.in(own).Home(t.Context())
	if err != nil || home == nil {
		t.Fatalf("%v %v", home, err)
	}
	if err := home.Probe(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("in the folder are %v: %v", files, err)
	}
	for asker, id := range left {
		_, err := r.engine.ContainerInspect(t.Context(), id)
		if stays := err == nil; stays != (asker == other) || !stays && !cerrdefs.IsNotFound(err) {
			t.Errorf("what %s asked by is there: %v, %v", asker, stays, err)
		}
	}
}
