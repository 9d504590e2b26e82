package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A stack of the project that deployer itself runs in is none, wherever it
// comes from: deployer.yaml at the start, at a reload, or a folder of a branch.
func TestDeployerNeverTouchesItsOwnProject(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	p.Stop()
	own := enginetest.Name(t) + "-self"
	files := and(oneService(image, "one"), inFolder("apps/"+own, oneService(image, "one")))
	files = and(files, inFolder("apps/"+p.Stack+"-folder", oneService(image, "one")))
	first := p.Stack
	p.Stack = first + "-folder"
	p.Image() // for what is removed with it
	p.Stack = first
	commit := p.Repo.Commit("main", "one", files)
	p.Configure("generic", "")
	p.give(p.Dir, p.Memory)
	id := p.inContainer(enginetest.ProgramImage(t, p.Engine, p.Program), &container.Config{
		Env:    []string{"RUNTIME_DIRECTORY=" + p.Memory},
		Labels: map[string]string{"com.docker.compose.project": own, "com.docker.compose.service": "deployer", "com.docker.compose.oneoff": "False"},
	}, p.Dir+":"+p.Dir, p.Memory+":"+p.Memory)
	p.mustBeReady(id)
	says := func(text string) {
		t.Helper()
		p.Eventually(30*time.Second, "the log says "+text, func() bool { return strings.Contains(p.containerLog(id), text) })
	}
	reload := func() {
		t.Helper()
		if err := p.Engine.ContainerKill(t.Context(), id, "HUP"); err != nil {
			t.Fatal(err)
		}
	}

	stack := fmt.Sprintf("  self: {repository: config, project: %s}\n", own)
	p.edit("stacks:\n", "stacks:\n"+stack)
	reload()
	says("is not good; the configuration before stays in force")
	says("compose project " + own + " is the one that deployer itself runs in")
	if got := p.names(); slices.Contains(got, "self") {
		t.Errorf("the stacks are %v", got)
	}

	p.edit(stack, `  "apps/*": {repository: config, directory: "apps/*"}`+"\n")
	reload()
	says("folder apps/" + own + " of apps/* cannot be a stack")
	p.live(first+"-folder", commit)
	if got := p.names(); slices.Contains(got, own) {
		t.Errorf("the stacks are %v", got)
	}
	for _, path := range []string{"/adopt", "/restart", "/remove", "/deploy", "/rollback"} {
		if code := p.Call("admin", http.MethodPost, "/api/v1/stacks/"+own+path, map[string]string{}, nil); code != http.StatusNotFound {
			t.Errorf("POST %s of its own project: %d", path, code)
		}
	}
	p.Stack = first
	run := p.Wait(p.Announce(commit))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if info, err := p.Engine.ContainerInspect(t.Context(), id); err != nil || !info.State.Running || info.RestartCount != 0 {
		t.Errorf("deployer's container: %v %v", info.State, err)
	}
}
