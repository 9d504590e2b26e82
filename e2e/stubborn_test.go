package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// stubborn is a service that does not hear the signal to stop, so that its
// stop takes the whole grace. The Engine goes on with it, whoever hangs up.
func stubborn(image, version string) gittest.Files {
	return gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    environment: {VERSION: %q}
    stop_signal: SIGWINCH
    stop_grace_period: 3s
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
`, image, version))}
}

// stopping returns what receives when the Engine begins to stop web.
func (p *product) stopping() <-chan events.Message {
	begun, _ := p.Engine.Events(p.t.Context(), events.ListOptions{
		Filters: filters.NewArgs(filters.Arg("container", p.Stack+"-web-1"), filters.Arg("event", "kill")),
	})
	return begun
}

// mustOutlive makes sure that what runs now was started after the stop began:
// else it is about to end.
func (p *product) mustOutlive(stop events.Message) {
	p.t.Helper()
	web, err := p.Engine.ContainerInspect(p.t.Context(), p.Containers()["web"])
	if err != nil {
		p.t.Fatal(err)
	}
	if started, err := time.Parse(time.RFC3339Nano, web.State.StartedAt); err != nil || started.UnixNano() < stop.TimeNano {
		p.t.Errorf("web is still the container that was told to stop (started %s)", web.State.StartedAt)
	}
}

// A container that was being stopped when the run was canceled ends later; the
// way back must not take it for one that runs.
func TestCanceledWhileAContainerStops(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("good", stubborn(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	begun := p.stopping()
	_, id := p.Begin("regretted", stubborn(image, "two"))
	stop := <-begun
	if out, code := p.CLI("cancel", id); code != 0 {
		t.Fatalf("cancel: exit %d\n%s", code, out)
	}
	run = p.Wait(id)
	producttest.MustEnd(t, run, state.RunRolledBack)
	if !strings.Contains(run.Error, "canceled by admin-of-test") {
		t.Errorf("the run ended because %q", run.Error)
	}
	p.mustRunVersion("one")
	p.mustOutlive(stop)
	if s := p.Now(); s.Health != "healthy" || s.Lock != nil {
		t.Errorf("the stack is %+v", s)
	}
}

// So must the next start, when the process was killed meanwhile.
func TestKilledWhileAContainerStops(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("good", stubborn(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	begun := p.stopping()
	_, id := p.Begin("next", stubborn(image, "two"))
	stop := <-begun
	p.Kill()
	p.Start()
	producttest.MustEnd(t, p.Wait(id), state.RunSucceeded)
	p.mustRunVersion("two")
	p.mustOutlive(stop)
	if s := p.Now(); s.Health != "healthy" {
		t.Errorf("the stack is %+v", s)
	}
}
