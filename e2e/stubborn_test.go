package e2e

import (
	"fmt"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
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

// A container that was being stopped when the run was canceled ends later; the
// way back must not take it for one that runs.
func TestCanceledWhileAContainerStops(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.image()
	_, run := p.push("good", stubborn(image, "one"))
	mustEnd(t, run, state.RunSucceeded)
	_, id := p.begin("regretted", stubborn(image, "two"))
	p.until(id, "changes containers", changing)
	if out, code := p.cli("cancel", id); code != 0 {
		t.Fatalf("cancel: exit %d\n%s", code, out)
	}
	run = p.wait(id)
	mustEnd(t, run, state.RunRolledBack)
	if !strings.Contains(run.Error, "canceled by admin-of-test") {
		t.Errorf("the run ended because %q", run.Error)
	}
	p.mustRunVersion("one")
	if s := p.now(); s.Health != "healthy" || s.Lock != nil {
		t.Errorf("the stack is %+v", s)
	}
}

// So must the next start, when the process was killed meanwhile; the second
// time it goes back to what is being stopped.
func TestKilledWhileAContainerStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kills   int
		status  state.RunStatus
		version string
	}{{1, state.RunSucceeded, "two"}, {2, state.RunRolledBack, "one"}} {
		t.Run(fmt.Sprintf("%d times", c.kills), func(t *testing.T) {
			p := newProduct(t)
			image := p.image()
			_, run := p.push("good", stubborn(image, "one"))
			mustEnd(t, run, state.RunSucceeded)
			_, id := p.begin("next", stubborn(image, "two"))
			for range c.kills {
				p.until(id, "changes containers", changing)
				p.kill()
				p.start()
			}
			mustEnd(t, p.wait(id), c.status)
			p.mustRunVersion(c.version)
			if s := p.now(); s.Health != "healthy" || s.Lock != nil {
				t.Errorf("the stack is %+v", s)
			}
		})
	}
}
