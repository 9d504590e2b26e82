package compose

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestJudge(t *testing.T) {
	now := time.Now()
	health := func(s container.HealthStatus) *container.Health { return &container.Health{Status: s} }
	for name, test := range map[string]struct {
		f     *follower
		state container.State
		want  verdict
	}{
		"created":                     {state: container.State{Status: "created"}},
		"restarting":                  {state: container.State{Status: "restarting"}},
		"healthy":                     {state: container.State{Status: "running", Health: health("healthy")}, want: verdict{up: true}},
		"starting":                    {state: container.State{Status: "running", Health: health("starting")}},
		"starting, its probe passed":  {f: &follower{passed: "once"}, state: container.State{Status: "running", Health: health("starting")}, want: verdict{up: true}},
		"starting anew":               {f: &follower{passed: "before"}, state: container.State{Status: "running", Health: health("starting")}},
		"unhealthy, its probe passed": {f: &follower{passed: "once"}, state: container.State{Status: "running", Health: health("unhealthy")}, want: verdict{failure: "is unhealthy"}},
		"unhealthy":                   {state: container.State{Status: "running", Health: health("unhealthy")}, want: verdict{failure: "is unhealthy"}},
		"kept and unhealthy":          {f: &follower{kept: true}, state: container.State{Status: "running", Health: health("unhealthy")}},
		"no health check":             {f: &follower{settle: time.Second}, state: container.State{Status: "running"}, want: verdict{again: time.Second}},
		"kept, no health check":       {f: &follower{kept: true, settle: time.Second}, state: container.State{Status: "running"}, want: verdict{up: true}},
		"awaited and running":         {f: &follower{awaited: true}, state: container.State{Status: "running", Health: health("healthy")}},
		"one-shot done":               {f: &follower{endsByItself: true}, state: container.State{Status: "exited"}, want: verdict{up: true}},
		"one-shot failed":             {f: &follower{endsByItself: true}, state: container.State{Status: "exited", ExitCode: 2}, want: verdict{failure: "exited with code 2"}},
		"ended though it should not":  {state: container.State{Status: "exited"}, want: verdict{failure: "exited with code 0, but is expected to keep running"}},
		"out of memory":               {state: container.State{Status: "exited", ExitCode: 137, OOMKilled: true}, want: verdict{failure: "exited with code 137: it ran out of memory"}},
	} {
		test.state.StartedAt = "once"
		if test.f == nil {
			test.f = &follower{}
		}
		if got := test.f.judge(inspected(test.state), now); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestJudgeSettlesAnewAfterEachStart(t *testing.T) {
	f := follower{settle: 2 * time.Second}
	now := time.Now()
	running := func(start string) container.InspectResponse {
		return inspected(container.State{Status: "running", StartedAt: start})
	}
	f.judge(running("first"), now)
	if got := f.judge(running("second"), now.Add(1500*time.Millisecond)); got.up || got.again != 2*time.Second {
		t.Errorf("after a restart: %+v", got)
	}
	if got := f.judge(running("second"), now.Add(3500*time.Millisecond)); !got.up {
		t.Errorf("settled: %+v", got)
	}
}

func inspected(s container.State) container.InspectResponse {
	return container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{State: &s}}
}
