package check

import (
	"context"
	"testing"

	"deployer/project"
	"deployer/state"
)

func TestEngineNeedsRoom(t *testing.T) {
	for _, tt := range []struct {
		source string
		free   int64
		err    error
		status state.StepStatus
		parts  []string
	}{
		{"{check: engine}", 2 << 30, nil, state.StepPassed, []string{"Docker Engine 20.10 (API 1.41) on linux/amd64, 2GiB free in /var/lib/docker"}},
		{"{check: engine}", 1<<30 - 1, nil, state.StepFailed, []string{"want 1GiB", "docker system df"}},
		{"{check: engine, min_free: 3GiB}", 2 << 30, nil, state.StepFailed, []string{"2GiB free, want 3GiB"}},
		{"{check: engine, min_free: 500MB}", 5e8, nil, state.StepPassed, nil},
		{"{check: engine, min_free: 0}", 0, nil, state.StepPassed, nil},
		{"{check: engine}", -1, nil, state.StepWarned, []string{"not visible from here", "at least 1GiB"}},
		{"{check: engine}", 0, context.DeadlineExceeded, state.StepFailed, []string{"no answer in time"}},
	} {
		engine := &fakeEngine{info: func() (project.Engine, error) {
			return project.Engine{Version: "20.10", APIVersion: "1.41", OS: "linux", Arch: "amd64", RootDir: "/var/lib/docker", FreeBytes: tt.free}, tt.err
		}}
		want(t, run(t, tt.source, &World{Engine: engine}), tt.status, tt.parts...)
	}
}
