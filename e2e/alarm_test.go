package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// threeServices are a web server with a health check, a worker that nothing
// restarts, and one that is restarted always. They exit, and are sick, while a
// file is there.
func threeServices(image, version string) string {
	return fmt.Sprintf(`services:
  web:
    image: %[1]s
    restart: unless-stopped
    environment: {VERSION: %[2]q, SICK_FILE: /sick}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 2}
  worker:
    image: %[1]s
    environment: {VERSION: %[2]q, EXIT_FILE: /exit, EXIT_CODE: "3"}
  loop:
    image: %[1]s
    restart: always
    environment: {VERSION: %[2]q, EXIT_FILE: /exit}
`, image, version)
}

// onlyCompose is a commit of a compose file alone.
func onlyCompose(text string) gittest.Files { return gittest.Files{"compose.yaml": gittest.Text(text)} }

// newAlarmed is a product with an inbox and its first deploy, which is the
// first message.
func newAlarmed(t *testing.T) (p *product, box *inbox, run *state.Run, image string) {
	t.Helper()
	p, box = newProduct(t), newInbox(t)
	p.Stop()
	p.Top = fmt.Sprintf("notify: [%q]\n", box.url)
	p.Configure("generic", "")
	p.Start()
	image = p.Image()
	_, run = p.Push("one", onlyCompose(threeServices(image, "one")))
	producttest.MustEnd(t, run, state.RunSucceeded)
	box.holds(1, "is live and was verified", "/runs/"+run.ID)
	return p, box, run, image
}

// inside runs testapp in the container of a service.
func (p *product) inside(service string, args ...string) {
	p.t.Helper()
	made, err := p.Engine.ContainerExecCreate(p.t.Context(), p.Containers()[service], container.ExecOptions{Cmd: append([]string{"/testapp"}, args...)})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Engine.ContainerExecStart(p.t.Context(), made.ID, container.ExecStartOptions{}); err != nil {
		p.t.Fatal(err)
	}
}

// What dies for good, what restarts again and again and what a person stops is
// told once, though deployer is killed meanwhile; and so is that it is well.
func TestContainersThatGoDownAreTold(t *testing.T) {
	t.Parallel()
	p, box, run, image := newAlarmed(t)
	live := "live is " + state.ShortCommit(run.Commit)

	p.inside("loop", "touch", "/exit")
	box.holds(2, "loop restarts again and again: 3 times in ", "the last exit code was 1", live, "testapp: exits with 1", "deployer rollback "+p.Stack)

	p.inside("worker", "touch", "/exit")
	web := p.Containers()["web"]
	if err := p.Engine.ContainerStop(t.Context(), web, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	box.holds(3, "worker exited with code 3", "web exited with code 0: it was stopped from outside", live, "testapp: exits with 3", "What to do: ")
	alarm := p.History()[0]
	if alarm.Kind != state.KindMonitor || alarm.Trigger.Kind != state.TriggerEngine || alarm.Status != state.RunFailed || alarm.Commit != run.Commit {
		t.Errorf("the newest run is %s by %s, %s: %s", alarm.Kind, alarm.Trigger.Kind, alarm.Status, alarm.Error)
	}
	if s := p.Now(); s.Health != "degraded" {
		t.Errorf("the stack is %s", s.Health)
	}
	p.showsDown("loop", "web", "worker")

	p.Kill()
	if err := p.Engine.ContainerStart(t.Context(), web, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	p.Start()
	box.holds(4, "web is well again, after ")
	p.showsDown("loop", "worker")

	_, fixed := p.Push("two", onlyCompose(threeServices(image, "two")))
	producttest.MustEnd(t, fixed, state.RunSucceeded)
	box.holds(5, "is live and was verified")
	p.showsDown() // at once: the run has told it
	if s := p.Now(); s.Health != "healthy" {
		t.Errorf("the stack is %s", s.Health)
	}
}

// showsDown wants the API, the metrics and the command line to show these services
// as down, and no other.
func (p *product) showsDown(services ...string) {
	p.t.Helper()
	var down []string
	for _, r := range p.readings() {
		down = append(down, r.Check)
	}
	for _, s := range services {
		if !strings.Contains(" "+strings.Join(down, " ")+" ", " "+s+" ") {
			p.t.Errorf("%s is not among the readings %v", s, down)
		}
	}
	if len(down) != len(services) {
		p.t.Errorf("the readings are %v, want %v", down, services)
	}
	out, _ := p.CLI("status", p.Stack)
	var metrics string
	p.Call("viewer", http.MethodGet, "/metrics", nil, &metrics)
	for _, s := range services {
		if !strings.Contains(out, s+": ") {
			p.t.Errorf("status does not show %s:\n%s", s, out)
		}
		if want := fmt.Sprintf("deployer_check_failing{check=%q,stack=%q} 1", s, p.Stack); !strings.Contains(metrics, want) {
			p.t.Errorf("no metric %s", want)
		}
	}
}

// What deployer does itself tells nothing; a service that is sick later is told
// once, and that it is healthy again.
func TestSickServiceIsToldAndOwnRunsAreNot(t *testing.T) {
	t.Parallel()
	p, box, _, image := newAlarmed(t)
	_, bad := p.Push("bad", onlyCompose(strings.Replace(threeServices(image, "two"), "SICK_FILE: /sick", `FAIL_HEALTH: "1"`, 1)))
	producttest.MustEnd(t, bad, state.RunRolledBack)
	box.holds(2, "runs again and was verified")
	if out, code := p.CLI("restart", p.Stack); code != 0 {
		t.Fatalf("restart: exit %d\n%s", code, out)
	}
	p.inside("web", "touch", "/sick")
	box.holds(3, "web is unhealthy", "web: is unhealthy: its health check ended with 1: healthz: 503", "since ", "What to do: ")
	p.showsDown("web")
	p.inside("web", "remove", "/sick")
	box.holds(4, "web is well again, after ")
	p.showsDown()
}

// What becomes of containers while the Engine is restarted is told once it
// answers again.
func TestContainersThatGoDownWhileTheEngineIsAwayAreTold(t *testing.T) {
	t.Parallel()
	p, box, _, _ := newAlarmed(t)
	p.Stop()
	p.standBeforeTheEngine()
	p.Start()
	p.Eventually(time.Minute, "the Engine is there", func() bool { return p.Now().Health == "healthy" })
	had := p.Containers()
	p.proxy.goAway()
	p.Eventually(time.Minute, "the Engine is away", func() bool { return p.Now().Health == "unknown" })
	if err := p.Engine.ContainerStop(t.Context(), had["web"], container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Engine.ContainerRemove(t.Context(), had["loop"], container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	p.proxy.comeBack()
	box.holds(2, "web exited with code 0: it was stopped from outside", "loop has no container: somebody has removed it")
	p.showsDown("loop", "web")
	if err := p.Engine.ContainerStart(t.Context(), had["web"], container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	box.holds(3, "web is well again")
	p.showsDown("loop")
}
