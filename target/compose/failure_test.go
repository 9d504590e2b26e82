package compose

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"deployer/project"
)

func TestServiceThatCannotComeUpFailsAtOnceWithEvidence(t *testing.T) {
	for name, test := range map[string]struct {
		text, reason, logs string
	}{
		"crash on start": {
			text:   "{image: IMAGE, environment: {EXIT_AFTER: 10ms, EXIT_CODE: '3', VERSION: '7'}}",
			reason: "exited with code 3", logs: "testapp: exits with 3",
		},
		"crash on start with a health check": {
			text:   "{image: IMAGE, environment: {EXIT_AFTER: 10ms, EXIT_CODE: '3'}, healthcheck: PROBE}",
			reason: "exited with code 3", logs: "testapp: exits with 3",
		},
		"crash loop": {
			text:   "{image: IMAGE, restart: always, environment: {EXIT_AFTER: 10ms, EXIT_CODE: '4'}}",
			reason: "keeps crashing: 5 restarts, the last exit code was 4", logs: "testapp: exits with 4",
		},
		"unhealthy": {
			text:   "{image: IMAGE, environment: {FAIL_HEALTH: 'yes'}, healthcheck: PROBE}",
			reason: "is unhealthy: its health check ended with 1: healthz: 503", logs: "starts",
		},
		"end of a service that should keep running": {
			text:   "{image: IMAGE, environment: {EXIT_AFTER: 10ms, EXIT_CODE: '0'}, healthcheck: PROBE}",
			reason: "exited with code 0, but is expected to keep running", logs: "testapp: exits with 0",
		},
		"command that does not exist": {
			text:   "{image: IMAGE, entrypoint: [/nothing]}",
			reason: "cannot be started", logs: "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			log, err := r.apply(r.resolve("services: {web: " + test.text + "}"))
			var failure *ServiceError
			if !errors.As(err, &failure) {
				t.Fatalf("got %v, want a *ServiceError\n%s", err, log)
			}
			if failure.Service != "web" || failure.Container != r.name+"-web-1" || !strings.HasPrefix(failure.Reason, test.reason) {
				t.Errorf("got %+v, want reason %q", failure, test.reason)
			}
			if !strings.Contains(failure.Logs, test.logs) || !strings.Contains(log, test.logs) {
				t.Errorf("want %q in the evidence %q and in the log %q", test.logs, failure.Logs, log)
			}
			if failure.Hint() == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestServiceThatIsNeverHealthyFailsAtTheLimit(t *testing.T) {
	r := newRig(t)
	p := r.resolve(`
services:
  web: {image: IMAGE, depends_on: {db: {condition: service_healthy}}}
  db: {image: IMAGE, environment: {HEALTH_AFTER: 1h}, healthcheck: {test: ["CMD", "/testapp", "health"], interval: 100ms, retries: 1000}}
`)
	err := r.Apply(t.Context(), p, project.ApplyOptions{Wait: 4 * time.Second})
	var failure *ServiceError
	if !errors.As(err, &failure) || failure.Service != "db" || !strings.Contains(failure.Reason, "is not up after 4s: it is running and starting") {
		t.Errorf("got %v", err)
	}
	if c := r.containers()["web-1"]; c.State != "created" {
		t.Errorf("web must not start before db is healthy, it is %s", c.State)
	}
}

func TestOneShotThatFailsIsAFailure(t *testing.T) {
	r := newRig(t)
	_, err := r.apply(r.resolve(`
services:
  migrate: {image: IMAGE, command: ["false"]}
  web: {image: IMAGE, depends_on: {migrate: {condition: service_completed_successfully}}}
`))
	var failure *ServiceError
	if !errors.As(err, &failure) || failure.Service != "migrate" || failure.Reason != "exited with code 1" {
		t.Errorf("got %v", err)
	}
}

func TestFailedApplyLeavesUntouchedServicesAndGoesBack(t *testing.T) {
	r := newRig(t)
	good := r.resolve(two)
	r.mustApply(good)
	before := r.containers()
	_, err := r.apply(r.resolve(strings.Replace(two, `VERSION: "1"`, `FAIL_HEALTH: "1"`, 1)))
	if err == nil {
		t.Fatal("an unhealthy service was accepted")
	}
	r.mustApply(good)
	after := r.containers()
	if after["api-1"].ID != before["api-1"].ID {
		t.Error("api did not change and was recreated")
	}
	if after["web-1"].Health != "healthy" || after["web-1"].Hash != before["web-1"].Hash {
		t.Errorf("web: %+v", after["web-1"])
	}
}

func TestApplyEndsWithItsContext(t *testing.T) {
	r := newRig(t)
	p := r.resolve("services: {web: {image: IMAGE, environment: {HEALTH_AFTER: 1h}, healthcheck: {test: [CMD, /testapp, health], interval: 100ms, retries: 1000}}}")
	ctx, cancel := context.WithCancelCause(t.Context())
	canceled := errors.New("a person canceled the run")
	started := &signalOn{text: "web-1 started", do: func() { cancel(canceled) }}
	if err := r.Apply(ctx, p, project.ApplyOptions{Log: started}); !errors.Is(err, canceled) {
		t.Errorf("got %v", err)
	}
}

// signalOn does something when a log line contains its text.
type signalOn struct {
	text string
	do   func()
	once sync.Once
}

func (s *signalOn) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.text) {
		s.once.Do(s.do)
	}
	return len(p), nil
}
