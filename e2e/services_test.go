package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A file recreates the services that mount it, wherever in a folder it is,
// and no other.
func TestMountedFileRecreatesItsService(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	commit := func(shared, own string) gittest.Files {
		return gittest.Files{
			"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  folder: {image: %[1]s, volumes: ["./conf:/conf:ro"]}
  file: {image: %[1]s, volumes: ["./conf/deep/own.conf:/own.conf:ro"]}
  config: {image: %[1]s, configs: [own]}
  none: {image: %[1]s}
configs: {own: {file: ./conf/deep/own.conf}}
`, image)),
			"conf/shared.conf": gittest.Text(shared), "conf/deep/own.conf": gittest.Text(own),
		}
	}
	_, run := p.Push("first", commit("a", "a"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	for _, step := range []struct {
		message string
		files   gittest.Files
		changed []string
	}{
		{"what the folder alone holds", commit("b", "a"), []string{"folder"}},
		{"what all of them mount", commit("b", "b"), []string{"folder", "file", "config"}},
	} {
		before := p.Containers()
		_, run := p.Push(step.message, step.files)
		producttest.MustEnd(t, run, state.RunSucceeded)
		after := p.Containers()
		for service := range before {
			want := strings.Contains(strings.Join(step.changed, " "), service)
			if changed := after[service] != before[service]; changed != want {
				t.Errorf("%s: service %s was recreated: %v", step.message, service, changed)
			}
		}
	}
}

// Services that end well have done their work, and those that are no longer
// in the file go.
func TestOneShotsAndOrphans(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	commit := func(more, pipeline string) gittest.Files {
		return gittest.Files{"pipeline.yaml": gittest.Text(pipeline), "compose.yaml": gittest.Text(fmt.Sprintf(`services:
  migrate: {image: %[1]s, command: ["true"], environment: {ROUND: %[3]q}}
  web:
    image: %[1]s
    environment: {VERSION: %[3]q}
    depends_on: {migrate: {condition: service_completed_successfully}}
%[2]s`, image, more, more+pipeline))}
	}
	old := fmt.Sprintf("  old: {image: %s}\n", image)
	_, run := p.Push("with a one-shot", commit(old, ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if s := p.Now(); s.Health != "healthy" {
		t.Errorf("with a one-shot that ended well the stack is %s", s.Health)
	}
	_, run = p.Push("keeps the orphan", commit("", "deploy: {orphans: keep}\n"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if p.Containers()["old"] == "" {
		t.Error("the orphan is gone, though it was to be kept")
	}
	_, run = p.Push("drops the orphan", commit("", "deploy: {orphans: remove}\n"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if p.Containers()["old"] != "" {
		t.Error("the orphan is still there")
	}

	version := p.Environment("web")["VERSION"]
	_, run = p.Push("a one-shot that fails", gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  migrate: {image: %[1]s, command: ["false"]}
  web: {image: %[1]s, environment: {VERSION: bad}, depends_on: {migrate: {condition: service_completed_successfully}}}
`, image))})
	producttest.MustEnd(t, run, state.RunRolledBack)
	if !strings.Contains(run.Error, "migrate") {
		t.Errorf("the failed one-shot is not named: %s", run.Error)
	}
	p.mustRunVersion(version)
}

// Poll finds what no delivery announced, once.
func TestPollFindsWhatNoDeliveryAnnounced(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	p.Stop()
	p.Poll = "1s"
	p.Configure("generic", "")
	p.Start()
	next := func(message string, files gittest.Files) *state.Run {
		t.Helper()
		commit := p.Repo.Commit("main", message, files)
		var id string
		p.Eventually(20*time.Second, "poll finds "+message, func() bool {
			if runs := p.History(); len(runs) > 0 && runs[0].Commit == commit {
				id = runs[0].ID
			}
			return id != ""
		})
		return p.Wait(id)
	}
	run := next("good", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if run.Trigger.Kind != state.TriggerPoll {
		t.Errorf("the run was triggered by %s", run.Trigger.Kind)
	}
	run = next("bad", and(oneService(image, "two"), gittest.Files{"pipeline.yaml": gittest.Text("verify: [{check: tcp, address: '127.0.0.1:1'}]\n")}))
	producttest.MustEnd(t, run, state.RunRolledBack)

	looks := p.Git.Requests()
	p.Eventually(20*time.Second, "poll looks again", func() bool { return p.Git.Requests() >= looks+3 })
	if runs := p.History(); len(runs) != 2 {
		t.Errorf("poll brought a quarantined release back: %d runs, the newest %s", len(runs), runs[0].Status)
	}
	producttest.MustEnd(t, next("good again", and(oneService(image, "three"), gittest.Files{"pipeline.yaml": gittest.Removed()})), state.RunSucceeded)
}
