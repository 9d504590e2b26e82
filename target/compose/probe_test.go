package compose

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/internal/enginetest"
	"deployer/project"
)

// patient is a health check at which the Engine will not look during a test.
const patient = `{test: [CMD, /testapp, health], interval: 1h, timeout: 5s}`

func TestHealthCheckIsRunAtOnce(t *testing.T) {
	r := newRig(t)
	text := `
services:
  web: {image: IMAGE, environment: {VERSION: "1"}, healthcheck: PATIENT, depends_on: {db: {condition: service_healthy}}}
  db: {image: IMAGE, environment: {HEALTH_AFTER: 300ms}, healthcheck: PATIENT}
`
	p := r.resolve(strings.ReplaceAll(text, "PATIENT", patient))
	r.mustApply(p)
	before := r.containers()
	for name, c := range before {
		if c.Health != "healthy" {
			t.Errorf("%s is %q after the apply", name, c.Health)
		}
		if got := r.engineHealth(c.ID); got != "starting" {
			t.Fatalf("the Engine calls %s %q: this test says nothing", name, got)
		}
	}
	// What was found healthy has not to become so once more.
	r.mustApply(r.resolve(strings.Replace(strings.ReplaceAll(text, "PATIENT", patient), `"1"`, `"2"`, 1)))
	if after := r.containers(); after["db-1"].ID != before["db-1"].ID || after["web-1"].ID == before["web-1"].ID {
		t.Errorf("want web alone recreated: %v", after)
	}
	if err := r.Restart(t.Context(), r.name, "db"); err != nil {
		t.Fatal(err)
	}
	if c := r.containers()["db-1"]; c.Health != "starting" {
		t.Errorf("the health of before a restart is taken for that of after it: %q", c.Health)
	}
}

func TestHealthCheckOfTheImageIsRunAtOnce(t *testing.T) {
	image := enginetest.Image(t, enginetest.Client(t), `HEALTHCHECK --interval=1h CMD ["/testapp","health"]`)
	r := newRig(t)
	r.image = image
	r.mustApply(r.resolve("services: {web: {image: IMAGE}}"))
	if c := r.containers()["web-1"]; c.Health != "healthy" {
		t.Errorf("web is %q", c.Health)
	}
}

func TestServiceBehindTraefikIsUpWhenTheEngineSaysSo(t *testing.T) {
	r := newRig(t)
	text := `services: {web: {image: IMAGE, labels: {traefik.http.routers.web.rule: "Host(` + "`web`" + `)"}, healthcheck: CHECK}}`
	r.mustApply(r.resolve(strings.Replace(text, "CHECK", "PROBE", 1)))
	if got := r.engineHealth(r.containers()["web-1"].ID); got != "healthy" {
		t.Errorf("the apply has ended, the Engine says %q", got)
	}
	err := r.Apply(t.Context(), r.resolve(strings.Replace(text, "CHECK", patient, 1)), project.ApplyOptions{Wait: time.Second})
	if err == nil {
		t.Error("a container that Traefik does not route to was taken for one that is up")
	}
}

func TestHealthCheckThatFailsIsEvidenceBeforeTheEngineHasLooked(t *testing.T) {
	r := newRig(t)
	p := r.resolve("services: {web: {image: IMAGE, environment: {FAIL_HEALTH: 'yes'}, healthcheck: " + patient + "}}")
	err := r.Apply(t.Context(), p, project.ApplyOptions{Wait: 8 * time.Second})
	var failure *ServiceError
	if !errors.As(err, &failure) || failure.Reason != "is not up after 8s: it is running and starting: its health check ended with 1: healthz: 503 Service Unavailable" {
		t.Errorf("got %v", err)
	}
}

// engineHealth is what the Engine itself says of a container's health.
func (r *rig) engineHealth(id string) string {
	r.t.Helper()
	c, err := r.engine.ContainerInspect(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return c.State.Health.Status
}

func TestProbeOf(t *testing.T) {
	check := func(test ...string) *container.HealthConfig { return &container.HealthConfig{Test: test} }
	for name, c := range map[string]struct {
		config container.Config
		argv   []string // nil: there is no probe
	}{
		"none":                   {},
		"disabled":               {config: container.Config{Healthcheck: check("NONE")}},
		"without a command":      {config: container.Config{Healthcheck: check("CMD")}},
		"of another kind":        {config: container.Config{Healthcheck: check("OTHER", "true")}},
		"a command":              {config: container.Config{Healthcheck: check("CMD", "curl", "localhost")}, argv: []string{"curl", "localhost"}},
		"a shell's":              {config: container.Config{Healthcheck: check("CMD-SHELL", "curl localhost || exit 1")}, argv: []string{"/bin/sh", "-c", "curl localhost || exit 1"}},
		"a shell of the image's": {config: container.Config{Healthcheck: check("CMD-SHELL", "true"), Shell: []string{"bash", "-ec"}}, argv: []string{"bash", "-ec", "true"}},
		"behind Traefik":         {config: container.Config{Healthcheck: check("CMD", "true"), Labels: map[string]string{"traefik.enable": "true"}}},
		"left out by Traefik":    {config: container.Config{Healthcheck: check("CMD", "true"), Labels: map[string]string{"traefik.enable": "false", "traefik.http.services.x": ""}}, argv: []string{"true"}},
	} {
		p, ok := probeOf(&c.config)
		if ok != (c.argv != nil) || ok && !slices.Equal(p.argv, c.argv) {
			t.Errorf("%s: got %v %v, want %v", name, p.argv, ok, c.argv)
		}
		if ok && (p.interval != 30*time.Second || p.timeout != 30*time.Second) {
			t.Errorf("%s: not the Engine's defaults: %+v", name, p)
		}
	}
}

func TestSlowHealthCheckIsLeftToTheEngine(t *testing.T) {
	var now time.Time
	for _, c := range []struct {
		took time.Duration
		runs int
	}{{slowProbe / 10, 2}, {slowProbe, 1}} {
		runs := 0
		run := func(context.Context, []string) (project.ExecResult, error) {
			runs++
			now = now.Add(c.took)
			return project.ExecResult{ExitCode: 2 - runs}, nil // the second passes
		}
		p := probe{interval: time.Hour, timeout: time.Hour}
		if passed := p.pass(t.Context(), func() time.Time { return now }, run, func(project.ExecResult) {}); passed != (c.runs == 2) || runs != c.runs {
			t.Errorf("one that takes %s was run %d times, want %d", c.took, runs, c.runs)
		}
	}
}

func TestHealthCheckThatHangsIsLeftToTheEngine(t *testing.T) {
	runs := 0
	run := func(ctx context.Context, _ []string) (project.ExecResult, error) {
		runs++
		<-ctx.Done()
		return project.ExecResult{}, ctx.Err()
	}
	p := probe{interval: time.Millisecond, timeout: time.Millisecond}
	if p.pass(t.Context(), time.Now, run, func(project.ExecResult) {}) || runs != 1 {
		t.Errorf("it was run %d times, want once: each leaves a process behind", runs)
	}
}

func TestPauseBetweenProbes(t *testing.T) {
	p := probe{interval: 500 * time.Millisecond}
	for _, c := range []struct{ pause, took, want time.Duration }{
		{20 * time.Millisecond, time.Millisecond, 20 * time.Millisecond},
		{20 * time.Millisecond, 90 * time.Millisecond, 90 * time.Millisecond},
		{time.Second, time.Millisecond, 500 * time.Millisecond},
		{time.Second, 800 * time.Millisecond, 800 * time.Millisecond},
	} {
		if got := p.pauseAfter(c.pause, c.took); got != c.want {
			t.Errorf("after %s: got %s, want %s", c.took, got, c.want)
		}
	}
}
