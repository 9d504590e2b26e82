package check

import (
	"path/filepath"
	"testing"

	"deployer/project"
	"deployer/state"
)

func TestDiskHasRoom(t *testing.T) {
	dir := t.TempDir()
	w := committedFiles{"compose.yaml": `
services: {a: {image: a, volumes: ["data:/d", "bound:/b", "nfs:/n", "far:/f"]}}
volumes:
  data: {}
  bound: {driver: local, driver_opts: {type: none, o: bind, device: ` + dir + `}}
  nfs: {driver: local, driver_opts: {type: nfs, o: addr=10.0.0.1, device: ":/x"}}
  far: {driver: other}
`}.world(t, ".", nil)
	engine := func(free int64) *fakeEngine {
		return &fakeEngine{info: func() (project.Engine, error) { return project.Engine{RootDir: dir, FreeBytes: free}, nil }}
	}
	for _, tt := range []struct {
		fields string
		free   int64
		status state.StepStatus
		parts  []string
	}{
		{"path: " + dir + ", min_free: 1KiB", 1, state.StepPassed, []string{dir + " has ", "free in " + dir}},
		{"path: " + dir + ", min_free: 9000TiB", 1, state.StepFailed, []string{"want 8.789PiB", "du -xh"}},
		{"path: " + filepath.Join(dir, "not/yet") + ", min_free: 1KiB", 1, state.StepPassed, []string{"free in " + dir}},
		{"path: " + dir + ", min_free: 1KiB", -1, state.StepWarned, []string{"not proven", "at least 1KiB"}},
		{"volume: data, min_free: 1KiB", 1, state.StepPassed, []string{"volume data has"}},
		{"volume: data, min_free: 9000TiB", 1, state.StepFailed, []string{"volume data has"}},
		{"volume: bound, min_free: 1KiB", 1, state.StepPassed, []string{"free in " + dir}},
		{"volume: nfs", 1, state.StepWarned, []string{"volume nfs is not visible"}},
		{"volume: far", 1, state.StepWarned, []string{"volume far is not visible"}},
		{"volume: gone", 1, state.StepFailed, []string{`no volume "gone"`, "bound, data, far, nfs"}},
		{"min_free: 1KiB", 1, state.StepPassed, []string{"the folder of volumes has"}},
	} {
		w.Engine = engine(tt.free)
		want(t, run(t, "{check: disk, "+tt.fields+"}", w), tt.status, tt.parts...)
	}
	w.Engine = &fakeEngine{info: engine(1).info, use: map[string]int64{w.Project.Compose.Volumes["data"].Name: 3 << 30}}
	for fields, status := range map[string]state.StepStatus{"max_used: 4GiB": state.StepPassed, "max_used: 2GiB": state.StepFailed} {
		r := run(t, "{check: disk, volume: data, min_free: 1KiB, "+fields+"}", w)
		want(t, r, status, "volume data holds 3GiB")
		if r.Measured == nil || r.Measured.Name != "volume_used_bytes" || r.Measured.Value != 3<<30 {
			t.Errorf("measured %+v", r.Measured)
		}
	}
	want(t, run(t, "{check: disk, volume: far, max_used: 1GiB}", w), state.StepFailed, "not measured")
	want(t, run(t, "{check: disk, path: \"${D}\", max_used: 1GiB}", &World{Env: environment(public("D", "/"))}), state.StepFailed, "name it in `volume`")
	want(t, run(t, "{check: disk, path: \"${D}\", volume: x}", &World{Env: environment(public("D", "/"))}), state.StepFailed, "not both")
	want(t, run(t, "{check: disk, path: \"${D}\"}", &World{Env: environment(public("D", "x"))}), state.StepFailed, "not absolute")
	want(t, run(t, "{check: disk}", &World{}), state.StepSkipped)
}
