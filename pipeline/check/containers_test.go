package check

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
	"deployer/state"
)

func two() *int { n := 2; return &n }

// old is long up, whenever the clock starts.
var old = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

func running(service string) project.Container {
	return project.Container{ID: "id-" + service, Name: "shop-" + service + "-1", Service: service, State: "running", Created: old}
}

func with(k project.Container, change func(*project.Container)) project.Container {
	change(&k)
	return k
}

func TestContainers(t *testing.T) {
	web, job := types.ServiceConfig{Name: "web", Restart: "always"}, types.ServiceConfig{Name: "job"}
	exited := func(service string, code int) project.Container {
		return with(running(service), func(k *project.Container) { k.State, k.ExitCode = "exited", code })
	}
	in := func(state string) project.Container {
		return with(running("web"), func(k *project.Container) { k.State = state })
	}
	health := func(h string) project.Container {
		return with(running("web"), func(k *project.Container) { k.Health = h; k.Created = time.Now() })
	}
	for _, tt := range []struct {
		name     string
		services []types.ServiceConfig
		list     []project.Container
		status   state.StepStatus
		parts    []string
		waits    time.Duration
	}{
		{"long up", []types.ServiceConfig{web}, []project.Container{running("web")}, state.StepPassed, []string{"web 1/1"}, 0},
		{"healthy and new", []types.ServiceConfig{web}, []project.Container{health("healthy")}, state.StepPassed, nil, 0},
		{"one-shot that is done", []types.ServiceConfig{web, job}, []project.Container{running("web"), exited("job", 0)},
			state.StepPassed, []string{"job 1/1, web 1/1"}, 0},
		{"one-shot that failed", []types.ServiceConfig{job}, []project.Container{exited("job", 3)},
			state.StepFailed, []string{"shop-job-1 exited with code 3\nits last lines:\nboom"}, 0},
		{"stopped service", []types.ServiceConfig{web}, []project.Container{exited("web", 0)}, state.StepFailed, []string{"has stopped"}, 0},
		{"service that may end by deploy", []types.ServiceConfig{{Name: "web", Restart: "always", Deploy: &types.DeployConfig{
			RestartPolicy: &types.RestartPolicy{Condition: "on-failure"}}}}, []project.Container{exited("web", 0)}, state.StepPassed, nil, 0},
		{"missing", []types.ServiceConfig{web, job}, []project.Container{running("web")}, state.StepFailed, []string{"job has 0 of 1 containers"}, 0},
		{"too few", []types.ServiceConfig{{Name: "web", Scale: two()}}, []project.Container{running("web")}, state.StepFailed, []string{"web has 1 of 2"}, 0},
		{"dead", []types.ServiceConfig{web}, []project.Container{in("dead")}, state.StepFailed, []string{"shop-web-1 is dead"}, 0},
		{"restarting", []types.ServiceConfig{web}, []project.Container{in("restarting")}, state.StepFailed, []string{"is restarting"}, 0},
		{"paused", []types.ServiceConfig{web}, []project.Container{in("paused")}, state.StepFailed, []string{"docker unpause shop-web-1"}, 0},
		{"unhealthy", []types.ServiceConfig{web}, []project.Container{health("unhealthy")}, state.StepFailed, []string{"is unhealthy\nits last lines:\nboom"}, 0},
		{"never healthy", []types.ServiceConfig{web}, []project.Container{health("starting")}, state.StepFailed,
			[]string{"its health check says starting when the time was over", "boom", "start_period"}, time.Minute},
		{"never started", []types.ServiceConfig{web}, []project.Container{in("created")}, state.StepFailed, []string{"is created, not started"}, time.Minute},
		{"of a provider", []types.ServiceConfig{{Name: "db", Provider: &types.ServiceProviderConfig{Type: "cloud"}}}, nil, state.StepPassed, nil, 0},
		{"of a one-off", []types.ServiceConfig{job}, []project.Container{running("job"), with(exited("job", 9), func(k *project.Container) {
			k.Labels = map[string]string{"com.docker.compose.oneoff": "True"}
		})}, state.StepPassed, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &fakeEngine{logs: "boom\n", containers: func() ([]project.Container, error) { return tt.list, nil }}
				started := time.Now()
				r := run(t, "{check: containers}", &World{Project: projectOf(tt.services...), Engine: engine})
				want(t, r, tt.status, tt.parts...)
				if got := time.Since(started); got != tt.waits {
					t.Errorf("took %s, want %s", got, tt.waits)
				}
			})
		})
	}
}

// film runs the check on containers that change: at gives what the Engine
// shows some time after the start.
func film(t *testing.T, source string, at func(after time.Duration) project.Container) (r Result, took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		engine := &fakeEngine{containers: func() ([]project.Container, error) {
			return []project.Container{at(time.Since(started))}, nil
		}}
		r = run(t, source, &World{Project: projectOf(types.ServiceConfig{Name: "web", Restart: "always"}), Engine: engine})
		took = time.Since(started)
	})
	return r, took
}

func TestContainersSettle(t *testing.T) {
	begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where synctest's clock starts
	fresh := with(running("web"), func(k *project.Container) { k.Created = begin.Add(-500 * time.Millisecond) })
	r, took := film(t, "{check: containers}", func(time.Duration) project.Container { return fresh })
	want(t, r, state.StepPassed, "web 1/1")
	if took < 1500*time.Millisecond || took > 2*time.Second {
		t.Errorf("settled after %s", took)
	}
	r, took = film(t, "{check: containers, settle: 0s}", func(time.Duration) project.Container { return fresh })
	want(t, r, state.StepPassed)
	if took != 0 {
		t.Errorf("settled after %s without need", took)
	}
}

func TestContainersSeeOneThatDiesWhileItSettles(t *testing.T) {
	r, took := film(t, "{check: containers, settle: 10s}", func(after time.Duration) project.Container {
		return with(running("web"), func(k *project.Container) {
			k.Created = time.Now()
			if after > time.Second {
				k.State, k.ExitCode = "exited", 1
			}
		})
	})
	want(t, r, state.StepFailed, "shop-web-1 exited with code 1")
	if took > 2*time.Second {
		t.Errorf("noticed after %s", took)
	}
}

func TestContainersSeeOneThatRestartsBetweenLooks(t *testing.T) {
	r, _ := film(t, "{check: containers}", func(after time.Duration) project.Container {
		return with(running("web"), func(k *project.Container) { k.Restarts = 3 + int(after/time.Second) })
	})
	want(t, r, state.StepFailed, "keeps restarting (4 restarts)")
}

func TestContainersWaitForHealth(t *testing.T) {
	r, took := film(t, "{check: containers}", func(after time.Duration) project.Container {
		return with(running("web"), func(k *project.Container) {
			k.Health = "starting"
			if after > 5*time.Second {
				k.Health = "healthy"
			}
		})
	})
	want(t, r, state.StepPassed)
	if took > 6*time.Second {
		t.Errorf("noticed after %s", took)
	}
}
