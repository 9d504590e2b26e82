package compose

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/internal/enginetest"
	"deployer/project"
)

// patience ends a test that waits for what does not come.
const patience = time.Minute

// conditions waits until a container is as wanted, and returns it.
func (r *rig) condition(service, what string, ok func(project.Condition) bool) (last project.Condition) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		all, err := r.Conditions(r.t.Context(), r.name)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, c := range all {
			if c.Service == service {
				if last = c; ok(c) {
					return c
				}
			}
		}
	}
	r.t.Fatalf("%s never %s: %+v", service, what, last)
	return last
}

func ended(c project.Condition) bool { return c.State == "exited" }

// While a container starts, its health check may fail without counting.
func TestConditionOfOneThatStarts(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(`services: {web: {image: IMAGE, environment: {SICK_FILE: /sick}, healthcheck: {test: [CMD, /testapp, health], interval: 500ms, start_period: 10m}}}`))
	if got, err := r.Exec(t.Context(), r.name, "web", []string{"/testapp", "touch", "/sick"}); err != nil || got.ExitCode != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := r.engine.ContainerRestart(t.Context(), r.containers()["web-1"].ID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	c := r.condition("web", "failed its health check", func(c project.Condition) bool { return c.Health == "starting" && c.HealthOutput != "" })
	if !c.UnhealthySince.IsZero() {
		t.Errorf("unhealthy since %s, though it only starts", c.UnhealthySince)
	}
}

func TestConditionsSayHowContainersEnded(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(`services:
  web: {image: IMAGE, restart: unless-stopped}
  worker: {image: IMAGE}
  sick: {image: IMAGE, healthcheck: PROBE}
  once: {image: IMAGE, command: ["true"]}
  later: {image: IMAGE, environment: {EXIT_AFTER: 3s, EXIT_CODE: "3"}}
  loop: {image: IMAGE, restart: always, environment: {EXIT_AFTER: 1s}}
  after: {image: IMAGE, depends_on: {first: {condition: service_completed_successfully}}}
  first: {image: IMAGE, command: ["true"], healthcheck: PROBE}
`))
	stop := func(service string) {
		t.Helper()
		if err := r.engine.ContainerStop(t.Context(), r.containers()[service+"-1"].ID, container.StopOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	stop("web")
	stop("worker")
	if c := r.condition("web", "ended", ended); !c.Signalled || c.EndsByItself || c.RestartPolicy != "unless-stopped" || time.Since(c.FinishedAt) > time.Minute {
		t.Errorf("stopped: %+v", c)
	}
	if c := r.condition("worker", "ended", ended); !c.Signalled || c.ExitCode != 0 || !c.EndsByItself {
		t.Errorf("stopped one that may end: %+v", c)
	}
	if c := r.condition("once", "ended", ended); c.Signalled || !c.EndsByItself {
		t.Errorf("one-shot: %+v", c)
	}
	if c := r.condition("first", "ended", ended); !c.EndsByItself {
		t.Errorf("what another service waits for: %+v", c)
	}
	if c := r.condition("later", "ended", ended); c.Signalled || c.ExitCode != 3 {
		t.Errorf("died of itself: %+v", c)
	}
	r.condition("loop", "was restarted", func(c project.Condition) bool { return c.Restarts >= 2 })
	if c := r.condition("sick", "was healthy", func(c project.Condition) bool { return c.Health == "healthy" }); c.EndsByItself {
		t.Errorf("with a health check: %+v", c)
	}
}

func TestConditionSaysWhatTheHealthCheckSaid(t *testing.T) {
	r := newRig(t)
	file := r.resolve(`services: {web: {image: IMAGE, healthcheck: PROBE, environment: {SICK_FILE: /sick}}}`)
	r.mustApply(file)
	before := time.Now()
	if got, err := r.Exec(t.Context(), r.name, "web", []string{"/testapp", "touch", "/sick"}); err != nil || got.ExitCode != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	c := r.condition("web", "was unhealthy", func(c project.Condition) bool { return c.Health == "unhealthy" })
	if !strings.Contains(c.HealthOutput, "ended with 1") || !strings.Contains(c.HealthOutput, "503") {
		t.Errorf("its health check said %q", c.HealthOutput)
	}
	if c.UnhealthySince.Before(before.Add(-time.Second)) || c.UnhealthySince.After(time.Now()) {
		t.Errorf("unhealthy since %s, it is %s", c.UnhealthySince, time.Now())
	}
}

// An Engine hangs with one container; of the others it answers as ever.
func TestConditionOfAContainerThatTheEngineHangsWith(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve("services:\n  web: {image: IMAGE}\n  worker: {image: IMAGE, restart: always}\n"))
	web := r.containers()["web-1"].ID
	target, _ := behind(t, func(proxy http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/containers/"+web+"/json") {
				<-req.Context().Done()
				return
			}
			proxy.ServeHTTP(w, req)
		})
	})
	started := time.Now()
	all, err := target.Conditions(t.Context(), r.name)
	if err != nil || len(all) != 2 || time.Since(started) > 2*inspectLimit {
		t.Fatalf("%+v, %v after %s", all, err, time.Since(started))
	}
	for _, c := range all {
		if hangs := c.Service == "web"; c.Silent != hangs || c.State != "running" || !hangs && c.RestartPolicy != "always" {
			t.Errorf("%+v", c)
		}
	}
}

func TestEventsNameTheProjectAndEndWithTheEngine(t *testing.T) {
	r := newRig(t)
	proxied, cut := behindProxy(t, r)
	subscribed, heard, lost := make(chan struct{}), make(chan string, 100), make(chan error, 1)
	go func() {
		lost <- proxied.Events(t.Context(), func() { close(subscribed) }, func(name string) {
			if name == r.name {
				heard <- name
			}
		})
	}()
	wait(t, subscribed)
	r.mustApply(r.resolve(`services: {web: {image: IMAGE}}`))
	wait(t, heard)
	for len(heard) > 0 {
		<-heard
	}
	id := r.containers()["web-1"].ID
	if err := r.engine.ContainerKill(t.Context(), id, "KILL"); err != nil {
		t.Fatal(err)
	}
	wait(t, heard)
	all, err := proxied.Projects(t.Context())
	if err != nil || len(all[r.name]) != 1 || all[r.name][0].State != "exited" {
		t.Errorf("projects: %+v, %v", all[r.name], err)
	}
	cut()
	if err := wait(t, lost); !errors.Is(err, project.ErrEngineUnreachable) {
		t.Errorf("a lost Engine is told as %v", err)
	}
}

func TestEventsOfAnEngineThatIsNotThere(t *testing.T) {
	target, err := New(Options{Host: "unix://" + filepath.Join(t.TempDir(), "none.sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	err = target.Events(t.Context(), func() { t.Error("subscribed") }, func(string) {})
	if !errors.Is(err, project.ErrEngineUnreachable) {
		t.Errorf("got %v", err)
	}
}

func wait[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("what is waited for does not come")
	}
	return v
}

// behindProxy is a target that reaches the rig's Engine over a connection that
// can be cut.
func behindProxy(t *testing.T, r *rig) (target *Target, cut func()) {
	t.Helper()
	return behind(t, func(proxy http.Handler) http.Handler { return proxy })
}

// behind is a target that reaches the Engine through a handler.
func behind(t *testing.T, through func(proxy http.Handler) http.Handler) (target *Target, cut func()) {
	t.Helper()
	engine := enginetest.Client(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", strings.TrimPrefix(engine.DaemonHost(), "unix://"))
	}}
	socket := filepath.Join(t.TempDir(), "e.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: through(proxy)}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	if target, err = New(Options{Host: "unix://" + socket}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	return target, func() { _ = server.Close() }
}
