package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// ask sends what a person wants of the stack, and returns the status and the answer.
func (p *product) ask(role, method, path string, body any) (status int, answer string) {
	p.t.Helper()
	status = p.Call(role, method, "/api/v1/stacks/"+p.Stack+path, body, &answer)
	return status, answer
}

// mustRun wants the answer to be a run, and returns it when it is over.
func (p *product) mustRun(status int, answer string) *state.Run {
	p.t.Helper()
	var run state.Run
	if err := json.Unmarshal([]byte(answer), &run); err != nil || status != http.StatusAccepted || run.ID == "" {
		p.t.Fatalf("no run came of it: %d %s", status, answer)
	}
	return p.Wait(run.ID)
}

// mustRunVersion wants the container of web to be of a version.
func (p *product) mustRunVersion(want string) {
	p.t.Helper()
	if got := p.Environment("web")["VERSION"]; got != want {
		p.t.Fatalf("web runs version %q, want %q", got, want)
	}
}

func TestLockHoldsPushesBack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("one", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)

	if out, code := p.CLI("lock", p.Stack, "--reason", "a database is moved"); code != 0 {
		t.Fatalf("lock: exit %d\n%s", code, out)
	}
	_, superseded := p.Begin("two", oneService(image, "two"))
	waits := func(r *state.Run) bool { return r.Status == state.RunWaiting && r.WaitingFor == "lock" }
	p.Until(superseded, "waits for the lock", waits)
	_, waiting := p.Begin("three", oneService(image, "three"))
	p.Until(waiting, "waits for the lock", waits)
	run = p.Wait(superseded)
	if producttest.MustEnd(t, run, state.RunSuperseded); run.SupersededBy != waiting {
		t.Errorf("superseded by %s, want %s", run.SupersededBy, waiting)
	}
	if s := p.Now(); s.Operation != "waiting" || s.Lock == nil || s.Lock.Reason != "a database is moved" || s.Lock.By != "admin-of-test" {
		t.Errorf("the stack is %+v", s)
	}

	status, answer := p.ask("deployer", http.MethodPost, "/deploy", map[string]any{})
	if status != http.StatusConflict || !strings.Contains(answer, "a database is moved") || !strings.Contains(answer, "force") {
		t.Errorf("a deploy of the locked stack was answered with %d: %s", status, answer)
	}
	p.mustRunVersion("one")

	if out, code := p.CLI("unlock", p.Stack); code != 0 {
		t.Fatalf("unlock: exit %d\n%s", code, out)
	}
	producttest.MustEnd(t, p.Wait(waiting), state.RunSucceeded)
	p.mustRunVersion("three")

	p.ask("deployer", http.MethodPut, "/lock", map[string]string{"reason": "again"})
	p.Repo.Commit("main", "four", oneService(image, "four"))
	run = p.mustRun(p.ask("deployer", http.MethodPost, "/deploy", map[string]any{"force": []string{"lock"}, "reason": "it must"}))
	producttest.MustEnd(t, run, state.RunSucceeded)
	p.mustRunVersion("four")
	if p.Now().Lock == nil {
		t.Error("the forced deploy has taken the lock away")
	}
}

func TestPersonRollsBack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	first, run := p.Push("one", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	second, run := p.Push("two", oneService(image, "two"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	p.Git.Close() // the way back needs no Git server

	if out, code := p.CLI("rollback", p.Stack, "--reason", "orders are slow"); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	p.mustRunVersion("one")
	s := p.Now()
	if s.Live.Commit != first || s.Sync != "quarantined" || len(s.Quarantined) != 1 || s.Quarantined[0].Commit != second ||
		!strings.Contains(s.Quarantined[0].Why, "orders are slow") || s.Pin != nil {
		t.Errorf("the stack is %+v", s)
	}

	p.serveGitAgain()
	if ids := p.Deliver(map[string]any{"ref": "refs/heads/main", "after": second}); len(ids) > 0 {
		producttest.MustEnd(t, p.Wait(ids[0]), state.RunFailed)
	}
	p.mustRunVersion("one")
	_, run = p.Push("three", oneService(image, "three"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	p.mustRunVersion("three")

	if out, code := p.CLI("rollback", p.Stack, "--to", first[:8]); code != 0 {
		t.Fatalf("rollback --to: exit %d\n%s", code, out)
	}
	p.mustRunVersion("one")
	out, code := p.CLI("rollback", p.Stack, "--to", "abcdef12")
	if code != 1 || !strings.Contains(out, "abcdef12") {
		t.Errorf("a rollback to what is not known: exit %d\n%s", code, out)
	}
}

func TestPinHoldsTheStack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	first, run := p.Push("one", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	_, run = p.Push("two", oneService(image, "two"))
	producttest.MustEnd(t, run, state.RunSucceeded)

	if out, code := p.CLI("rollback", p.Stack, "--pin", "--reason", "until the morning"); code != 0 {
		t.Fatalf("rollback --pin: exit %d\n%s", code, out)
	}
	pinned := func() {
		t.Helper()
		commit := p.Repo.Commit("main", "while it is pinned", oneService(image, "three"))
		body := []byte(`{"ref":"refs/heads/main","after":"` + commit + `"}`)
		status, answer := p.Post(body, p.Sign(body), state.NewRunID())
		if status != http.StatusOK || !strings.Contains(string(answer), "pin") {
			t.Errorf("a push to the pinned stack was answered with %d: %s", status, answer)
		}
		if s := p.Now(); s.Sync != "pinned" || s.Pin == nil || s.Pin.Commit != first || s.Head != commit {
			t.Errorf("the stack is %+v", s)
		}
		p.mustRunVersion("one")
	}
	pinned()

	// A deploy of the head by a person unpins, one of an older commit pins.
	if out, code := p.CLI("deploy", p.Stack); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	p.mustRunVersion("three")
	if s := p.Now(); s.Pin != nil || s.Sync != "in_sync" {
		t.Errorf("after a deploy of the head the stack is %+v", s)
	}
	run = p.mustRun(p.ask("deployer", http.MethodPost, "/deploy", map[string]any{"commit": first}))
	producttest.MustEnd(t, run, state.RunSucceeded)
	pinned()

	if out, code := p.CLI("unpin", p.Stack); code != 0 {
		t.Fatalf("unpin: exit %d\n%s", code, out)
	}
	_, run = p.Push("four", oneService(image, "four"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	p.mustRunVersion("four")
}

// A commit of another branch, or of nowhere, is not deployed by anybody.
func TestPersonCannotDeployWhatIsNotOnTheBranch(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	p.Repo.Commit("main", "one", oneService(image, "one"))
	feature := p.Repo.CommitOn("", "feature", "of a feature", oneService(image, "feature"))
	for _, commit := range []string{feature, strings.Repeat("ab", 20)} {
		status, answer := p.ask("admin", http.MethodPost, "/deploy", map[string]any{"commit": commit})
		if status != http.StatusConflict || !strings.Contains(answer, "main") {
			t.Errorf("a deploy of %s was answered with %d: %s", commit, status, answer)
		}
	}
	if runs := p.History(); len(runs) != 0 {
		t.Errorf("%d runs were queued", len(runs))
	}
}

func TestPersonCancels(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("good", slowService(image, "one", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)

	commit, id := p.Begin("regretted", slowService(image, "two", ""))
	p.Eventually(time.Minute, "the new container is there", func() bool {
		web, err := p.Engine.ContainerInspect(t.Context(), p.Stack+"-web-1")
		return err == nil && web.State.Running && slices.Contains(web.Config.Env, "VERSION=two")
	})
	if out, code := p.CLI("cancel", id, "--reason", "wrong branch"); code != 0 {
		t.Fatalf("cancel: exit %d\n%s", code, out)
	}
	run = p.Wait(id)
	producttest.MustEnd(t, run, state.RunRolledBack)
	if !strings.Contains(run.Error, "canceled by admin-of-test") {
		t.Errorf("the run ended because %q", run.Error)
	}
	p.mustBeWhole("one")
	if s := p.Now(); len(s.Quarantined) != 1 || s.Quarantined[0].Commit != commit {
		t.Errorf("the quarantine is %+v", s.Quarantined)
	}

	p.ask("deployer", http.MethodPut, "/lock", map[string]string{"reason": "held"})
	_, id = p.Begin("waits", gittest.Files{"compose.yaml": slowService(image, "three", "")["compose.yaml"]})
	p.Until(id, "waits", func(r *state.Run) bool { return r.Status == state.RunWaiting })
	if status := p.Call("deployer", http.MethodPost, "/api/v1/runs/"+id+"/cancel", map[string]any{}, nil); status != http.StatusAccepted {
		t.Errorf("the cancel of a run that waits was answered with %d", status)
	}
	producttest.MustEnd(t, p.Wait(id), state.RunCanceled)
	if out, code := p.CLI("cancel", id); code != 1 || !strings.Contains(out, "is over") {
		t.Errorf("a second cancel: exit %d\n%s", code, out)
	}
}
