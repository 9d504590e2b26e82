package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// The images of the live, the good and five more releases stay on the Engine,
// whatever else names them; older ones go, and nobody is led to believe that
// they can be gone back to.
func TestImagesOfTheLastReleasesAreKeptAndOlderOnesGo(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	const kept = 6 // the live one and five more
	var ids, runs []string
	for n := range kept + 2 {
		name := p.Image()
		ids = append(ids, enginetest.ID(t, p.Engine, name))
		_, run := p.Push(name, oneService(name, name))
		producttest.MustEnd(t, run, state.RunSucceeded)
		runs = append(runs, run.ID)
		// As when the next image of that tag is pulled: only deployer keeps it.
		if _, err := p.Engine.ImageRemove(t.Context(), name, image.RemoveOptions{}); err != nil {
			t.Fatalf("untag image %d: %v", n, err)
		}
	}
	left := func() (out []string) {
		for _, id := range ids {
			if _, err := p.Engine.ImageInspect(t.Context(), id); err == nil {
				out = append(out, id)
			}
		}
		return out
	}
	p.Eventually(30*time.Second, "the images of the oldest releases are gone", func() bool { return slices.Equal(left(), ids[2:]) })
	list, err := p.Engine.ImageList(t.Context(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", "deployer.local/"+p.Stack))})
	if err != nil || len(list) != kept {
		t.Errorf("%d images are kept: %v", len(list), err)
	}
	if out, code := p.CLI("rollback", p.Stack, "--to", runs[0]); code != 1 || !strings.Contains(out, "image") {
		t.Errorf("back to a release without its image: exit %d\n%s", code, out)
	}
	p.mustRunVersion(p.Environment("web")["VERSION"])
	if out, code := p.CLI("rollback", p.Stack, "--to", runs[2]); code != 0 {
		t.Errorf("back to the oldest that is kept: exit %d\n%s", code, out)
	}
	if now := p.Now(); now.Live.Images["web"] != ids[2] {
		t.Errorf("live is image %s, want %s", now.Live.Images["web"], ids[2])
	}
}

// With one worker, stacks take turns; and what waits says for what.
func TestWorkersBoundWhatRunsAtATime(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	app, gate := p.Image(), newGate(t)
	one, two := p.Stack, p.Stack+"-two"
	p.Stack = two
	p.Image()
	p.Stack = one
	p.edit("  "+one+":\n    repository: config\n", "  "+one+": {repository: config, directory: one}\n  "+two+": {repository: config, directory: two}\n")
	p.edit("tokens:", "workers: 1\ntokens:")
	p.mustReload()
	files := inFolder("one", and(oneService(app, "1"), gittest.Files{"pipeline.yaml": gate.check("2m")}))
	files = and(files, inFolder("two", and(oneService(app, "2"), gittest.Files{"pipeline.yaml": gate.check("2m")})))
	runs := p.Deliver(map[string]any{"ref": "refs/heads/main", "after": p.Repo.Commit("main", "both", files)})
	if len(runs) != 2 {
		t.Fatalf("the push queued %v", runs)
	}
	status := func() (running, waiting int) {
		for _, id := range runs {
			var r state.Run
			p.Call("viewer", http.MethodGet, "/api/v1/runs/"+id, nil, &r)
			switch {
			case r.Status == state.RunRunning:
				running++
			case r.Status == state.RunWaiting && r.WaitingFor == "slot", r.Status == state.RunQueued:
				waiting++
			}
		}
		return running, waiting
	}
	p.Eventually(time.Minute, "one runs and one waits", func() bool { running, waiting := status(); return running == 1 && waiting == 1 })
	p.edit("workers: 1", "workers: 2")
	p.mustReload()
	p.Eventually(time.Minute, "with two workers both run", func() bool { running, _ := status(); return running == 2 })
	gate.open()
	for _, id := range runs {
		producttest.MustEnd(t, p.Wait(id), state.RunSucceeded)
	}
}

// A stack that is not enabled is left as it is: nothing that waits for it
// runs, no push and no person deploys it, and it comes back with its history.
func TestDisabledStackIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	app := p.Image()
	_, run := p.Push("one", oneService(app, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if out, code := p.CLI("lock", p.Stack, "--reason", "soon to be disabled"); code != 0 {
		t.Fatalf("lock: exit %d\n%s", code, out)
	}
	_, waits := p.Begin("waits", oneService(app, "waits"))
	p.Until(waits, "waits for the lock", func(r *state.Run) bool { return r.Status == state.RunWaiting })
	before := p.Containers()

	p.edit("    repository: config\n", "    repository: config\n    enabled: false\n")
	p.mustReload()
	if run := p.Wait(waits); run.Status != state.RunCanceled || !strings.Contains(run.Error, "no longer in deployer.yaml, or not enabled") {
		t.Errorf("what waited is %s: %s", run.Status, run.Error)
	}
	commit := p.Repo.Commit("main", "two", oneService(app, "two"))
	if status, answer := p.send(`{"ref": "refs/heads/main", "after": "`+commit+`"}`, func(*http.Request) {}); status != http.StatusOK || !strings.Contains(answer, "ignored") {
		t.Errorf("a push got %d %s", status, answer)
	}
	for _, path := range []string{"/deploy", "/restart", "/remove", "/rollback"} {
		if status, answer := p.ask("admin", http.MethodPost, path, map[string]string{}); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if after := p.Containers(); after["web"] != before["web"] {
		t.Error("the container was touched")
	}

	p.edit("    enabled: false\n", "")
	p.mustReload()
	if now := p.Now(); now.Live == nil || now.Lock == nil || now.Lock.Reason != "soon to be disabled" {
		t.Errorf("enabled again it is %+v", now)
	}
	if out, code := p.CLI("unlock", p.Stack); code != 0 {
		t.Fatalf("unlock: exit %d\n%s", code, out)
	}
	if out, code := p.CLI("deploy", p.Stack); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	p.mustRunVersion("two")
}
