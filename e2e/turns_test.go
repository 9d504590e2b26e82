package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// Two environments of one folder share a project: the one deployed last has
// it, and a push takes it over for the other only where it changes that one.
func TestEnvironmentsOfOneProjectTakeTurns(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	app := p.Image()
	dev := p.Stack + "-dev"
	t.Cleanup(func() { p.CleanUp(dev) })
	p.Configure("generic", fmt.Sprintf("    environment: prod\n  %s: {repository: config, project: %s, environment: dev}\n", dev, p.Stack))
	if !p.Reload() {
		t.Fatal("the configuration is not taken")
	}
	files := func(prod, dev string) gittest.Files {
		return gittest.Files{
			"compose.yaml":  gittest.Text(fmt.Sprintf("services: {web: {image: %s, environment: {VERSION: \"${V}\"}, stop_grace_period: 1s}}\n", app)),
			"pipeline.yaml": gittest.Text("environments:\n  prod: {env_file: prod.env}\n  dev: {env_file: dev.env}\n"),
			"prod.env":      gittest.Text("V=" + prod + "\n"), "dev.env": gittest.Text("V=" + dev + "\n"),
		}
	}
	// push returns the statuses of prod's run and of dev's.
	push := func(message string, files gittest.Files) (prod, development *state.Run) {
		t.Helper()
		commit := p.Repo.Commit("main", message, files)
		for _, id := range p.Deliver(map[string]any{"ref": "refs/heads/main", "after": commit}) {
			if run := p.Wait(id); run.Stack == dev {
				development = run
			} else {
				prod = run
			}
		}
		if prod == nil || development == nil {
			t.Fatalf("%s: the push is not for both", message)
		}
		return prod, development
	}
	runs := func(want string) {
		t.Helper()
		if got := p.Environment("web")["VERSION"]; got != want {
			t.Fatalf("%s runs, want %s", got, want)
		}
	}
	push("both", files("prod 1", "dev 1")) // in any order

	one, other := push("prod alone", files("prod 2", "dev 1"))
	producttest.MustEnd(t, one, state.RunSucceeded)
	producttest.MustEnd(t, other, state.RunUnchanged)
	runs("prod 2")
	holds := func(holder, loser string) {
		t.Helper()
		for stack, want := range map[string]string{holder: "healthy", loser: "unknown"} {
			var s struct{ Health, Warning string }
			p.Call("viewer", http.MethodGet, "/api/v1/stacks/"+stack, nil, &s)
			if s.Health != want || strings.Contains(s.Warning, "(stack "+holder+") holds the project now; `deployer deploy "+loser) != (stack == loser) {
				t.Errorf("%s is %s, warned %q; want %s", stack, s.Health, s.Warning, want)
			}
		}
	}
	holds(p.Stack, dev)
	one, other = push("dev alone", files("prod 2", "dev 2"))
	producttest.MustEnd(t, one, state.RunUnchanged)
	producttest.MustEnd(t, other, state.RunSucceeded)
	runs("dev 2")
	holds(dev, p.Stack)
	before := p.Containers()["web"]
	one, other = push("neither", gittest.Files{"README.md": gittest.Text("words")})
	producttest.MustEnd(t, one, state.RunUnchanged)
	producttest.MustEnd(t, other, state.RunUnchanged)
	if log := p.RunLog(one.ID); !strings.Contains(log, "stack "+dev+" has the project; `deployer deploy "+p.Stack) {
		t.Errorf("prod's run says\n%s", log)
	}
	if p.Containers()["web"] != before {
		t.Error("a push that changes neither has touched the container")
	}
	// A person takes it over.
	if out, code := p.CLI("deploy", p.Stack); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	runs("prod 2")
}
