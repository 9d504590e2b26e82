package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// slowService is a stack whose web needs two seconds to become healthy, so
// that there is time to kill what waits for it, and a service beside it.
func slowService(image, version, extra string) gittest.Files {
	return gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %[1]s
    environment: {VERSION: %[2]q, HEALTH_AFTER: 2s, %[3]s}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 10}
  other:
    image: %[1]s
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 10}
`, image, version, extra))}
}

// in reports whether the run is in the middle of a stage.
func in(r *state.Run, stage state.StageName) bool {
	s := r.Stage(stage)
	return r.Status == state.RunRunning && s != nil && s.Status == state.StageRunning
}

// changing is when containers are being replaced.
func changing(r *state.Run) bool { return r.Phase == state.PhaseChanging && in(r, state.StageDeploy) }

func verifying(r *state.Run) bool { return in(r, state.StageVerify) }

func rollingBack(r *state.Run) bool { return in(r, state.StageRollback) }

// mustBeWhole makes sure that the stack is healthy, runs the version, and that
// nothing is left over from how it came there.
func (p *product) mustBeWhole(version string) {
	p.t.Helper()
	if got := p.Environment("web")["VERSION"]; got != version {
		p.t.Errorf("web runs version %q, want %q", got, version)
	}
	var names []string
	p.Eventually(10*time.Second, "the Engine calls every container healthy too", func() bool {
		list, err := p.Engine.ContainerList(p.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("name", p.Stack))})
		if err != nil {
			p.t.Fatal(err)
		}
		names = nil
		for _, c := range list {
			names = append(names, strings.TrimPrefix(c.Names[0], "/"+p.Stack))
		}
		return !slices.ContainsFunc(list, func(c container.Summary) bool { return !strings.Contains(c.Status, "(healthy)") })
	})
	slices.Sort(names)
	if !slices.Equal(names, []string{"-other-1", "-web-1"}) {
		p.t.Errorf("the containers are %v", names)
	}
	if s := p.Now(); s.Health != "healthy" || s.Operation != "idle" || s.Lock != nil {
		p.t.Errorf("the stack is %+v", s)
	}
}

func TestKilledWhileItDeploys(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("good", slowService(image, "one", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	other := p.Containers()["other"]

	commit, id := p.Begin("next", slowService(image, "two", ""))
	p.Until(id, "changes containers", changing)
	p.Kill()
	p.Start()
	run = p.Wait(id)
	producttest.MustEnd(t, run, state.RunSucceeded)
	if run.Interruptions != 1 || run.Commit != commit {
		t.Errorf("the run was interrupted %d times and is for %s, want once and %s", run.Interruptions, run.Commit, commit)
	}
	p.mustBeWhole("two")
	if p.Containers()["other"] != other {
		t.Error("the service that did not change was replaced")
	}
	if s := p.Now(); s.Live.Commit != commit || s.LastGood.Commit != commit || len(s.Quarantined) != 0 {
		t.Errorf("the stack is %+v", s)
	}
}

func TestKilledWhileItVerifies(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image, gate := p.Image(), newGate(t)
	_, id := p.Begin("first", and(slowService(image, "one", ""), gittest.Files{"pipeline.yaml": gate.check("1m")}))
	p.Until(id, "verifies", verifying)
	before := p.Containers()
	p.Kill()
	p.Start()
	p.Until(id, "verifies again", verifying)
	gate.open()
	producttest.MustEnd(t, p.Wait(id), state.RunSucceeded)
	p.mustBeWhole("one")
	if after := p.Containers(); after["web"] != before["web"] {
		t.Error("what was up already was replaced")
	}
}

func TestKilledWhileItRollsBack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	good, run := p.Push("good", slowService(image, "one", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)

	bad, id := p.Begin("bad", slowService(image, "two", "EXIT_AFTER: 10ms"))
	p.Until(id, "rolls back", rollingBack)
	p.Kill()
	p.Start()
	run = p.Wait(id)
	producttest.MustEnd(t, run, state.RunRolledBack)
	if run.RolledBackTo != good || run.Interruptions != 1 || !strings.Contains(run.Error, "exited with code 1") {
		t.Errorf("rolled back to %s after %d interruptions because %q", run.RolledBackTo, run.Interruptions, run.Error)
	}
	p.mustBeWhole("one")
	if s := p.Now(); len(s.Quarantined) != 1 || s.Quarantined[0].Commit != bad {
		t.Errorf("the quarantine is %+v", s.Quarantined)
	}
}

// A release that deployer dies of twice is left, but it is not to blame.
func TestKilledTwiceInOneRun(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image, gate := p.Image(), newGate(t)
	good, run := p.Push("good", slowService(image, "one", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)

	commit, id := p.Begin("next", and(slowService(image, "two", ""), gittest.Files{"pipeline.yaml": gate.check("1m")}))
	p.Until(id, "changes containers", changing)
	p.Kill()
	p.Start()
	p.Until(id, "verifies", verifying)
	p.Kill()
	p.Start()
	run = p.Wait(id)
	producttest.MustEnd(t, run, state.RunRolledBack)
	if run.RolledBackTo != good || run.Interruptions != 2 || !strings.Contains(run.Error, "cut off 2 times") {
		t.Errorf("rolled back to %s after %d interruptions: %s", run.RolledBackTo, run.Interruptions, run.Error)
	}
	p.mustBeWhole("one")
	if s := p.Now(); len(s.Quarantined) != 0 || s.Live.Commit != good {
		t.Errorf("the stack is %+v", s)
	}

	// A person may try it again.
	gate.open()
	if out, code := p.CLI("deploy", p.Stack); code != 0 {
		t.Errorf("a person's deploy of %s: exit %d\n%s", commit, code, out)
	}
	p.mustBeWhole("two")
}

// What was answered with 202 is executed, whatever happens to the process.
func TestKilledAfterTheAnswer(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	asked, release := make(chan struct{}, 10), make(chan struct{})
	p.Git.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return false
	})
	_, id := p.Begin("first", slowService(image, "one", ""))
	<-asked // the fetch cannot end before the server is gone
	p.Kill()
	p.Git.Before(nil)
	close(release)
	p.Start()
	run := p.Wait(id)
	producttest.MustEnd(t, run, state.RunSucceeded)
	if run.Interruptions != 0 {
		t.Errorf("a run that had changed nothing counts %d interruptions", run.Interruptions)
	}
	p.mustBeWhole("one")
}

// A clean stop leaves the run for the next start, and is no fault of it.
func TestStoppedWhileItDeploys(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("good", slowService(image, "one", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	_, id := p.Begin("next", slowService(image, "two", ""))
	p.Until(id, "changes containers", changing)
	started := time.Now()
	p.Stop()
	if took := time.Since(started); took > 25*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if code := p.Exit.ExitCode(); code != 0 {
		t.Errorf("a clean stop exits with %d", code)
	}
	p.Start()
	run = p.Wait(id)
	producttest.MustEnd(t, run, state.RunSucceeded)
	if run.Interruptions != 0 {
		t.Errorf("a clean stop counts as %d interruptions", run.Interruptions)
	}
	p.mustBeWhole("two")
}

// Two servers on one data folder would deploy against each other.
func TestSecondServerOnTheSameDataRefuses(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	text, err := os.ReadFile(p.Path("deployer.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.Write("second.yaml", strings.Replace(string(text), "listen: "+strings.TrimPrefix(p.URL, "http://"), "listen: "+address, 1))
	second := exec.Command(p.Program, "serve", "--config", p.Path("second.yaml"))
	bound := time.AfterFunc(20*time.Second, func() { _ = second.Process.Kill() })
	defer bound.Stop()
	out, _ := second.CombinedOutput()
	if code := second.ProcessState.ExitCode(); code <= 0 {
		t.Errorf("the second server exits with %d", code)
	}
	if !strings.Contains(string(out), "in use by another deployer") {
		t.Errorf("the second server says:\n%s", out)
	}
	if p.Now().Sync != string(state.SyncNeverDeployed) {
		t.Error("the first server does not answer as before")
	}
}
