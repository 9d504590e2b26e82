package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// edit replaces a part of deployer.yaml.
func (p *product) edit(old, now string) {
	p.t.Helper()
	raw, err := os.ReadFile(p.Path("deployer.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(string(raw), old) {
		p.t.Fatalf("deployer.yaml has no %q", old)
	}
	p.Write("deployer.yaml", strings.TrimSuffix(strings.Replace(string(raw), old, now, 1), "\n"))
}

func (p *product) mustReload() {
	p.t.Helper()
	if !p.Reload() {
		p.t.Fatalf("the configuration was not taken:\n%s", p.Log)
	}
}

// metric is the value of a metric, as it is printed.
func (p *product) metric(name string) string {
	p.t.Helper()
	var text string
	p.Call("viewer", http.MethodGet, "/metrics", nil, &text)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	p.t.Fatalf("there is no metric %s", name)
	return ""
}

func TestReloadOfABadFileChangesNothing(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	p.edit("poll: 0", "pol: 0")
	p.edit("tokens:", "workers: 0\ntokens:")
	if p.Reload() {
		t.Fatal("a bad file is in force")
	}
	for _, said := range []string{
		`line=4 key=workers hint="4 suits most machines"`, `line=15 key=repositories.config.pol hint=`, `msg="unknown key"`,
	} {
		if !strings.Contains(p.Log.String(), said) {
			t.Errorf("the log does not say %s:\n%s", said, p.Log)
		}
	}
	if got := p.metric("deployer_config_last_reload_successful"); got != "0" {
		t.Errorf("the metric is %s", got)
	}
	if got := p.Call("", http.MethodGet, "/readyz", nil, nil); got != http.StatusOK {
		t.Errorf("/readyz answers %d", got)
	}
	_, run := p.Push("one", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)

	p.edit("pol: 0", "poll: 0")
	p.edit("workers: 0", "workers: 2")
	p.mustReload()
	if got := p.metric("deployer_config_last_reload_successful"); got != "1" {
		t.Errorf("the metric is %s once the file is good", got)
	}
}

func TestReloadSaysWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.edit("data: "+p.Path("data"), "data: "+p.Path("elsewhere")+"\nmetrics_listen: 127.0.0.1:1")
	p.edit("admin-of-test", "renamed")
	p.mustReload()
	for _, key := range []string{"data", "metrics_listen"} {
		if !strings.Contains(p.Log.String(), "needs a restart; until then the value from the start stays\" key="+key) {
			t.Errorf("the log does not say that %s needs a restart:\n%s", key, p.Log)
		}
	}
	if _, err := os.Stat(p.Path("elsewhere")); err == nil {
		t.Error("the new data folder is used")
	}
	// The rest is in force.
	if out, code := p.CLI("lock", p.Stack, "--reason", "to be named"); code != 0 {
		t.Fatalf("lock: exit %d\n%s", code, out)
	}
	if got := p.Now().Lock.By; got != "renamed" {
		t.Errorf("the token is called %s", got)
	}
}

func TestReloadTakesRepositoriesAndStacksInAndOut(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	first := p.Stack
	_, run := p.Push("one", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)

	// A second stack, of a second repository.
	other := gittest.NewRepo(t)
	p.Stack = first + "-other"
	otherImage := p.Image()
	const stacks = "stacks:\n"
	repository := fmt.Sprintf("  other:\n    url: %s\n    webhook: {provider: generic, secret_file: %s}\n    poll: 0\n", other.URL(), p.Path("hook.secret"))
	stack := fmt.Sprintf("  %s: {repository: other}\n", p.Stack)
	p.edit(stacks, repository+stacks+stack)
	p.mustReload()
	body := fmt.Sprintf(`{"ref": "refs/heads/main", "after": %q}`, other.Commit("main", "one", oneService(otherImage, "other")))
	toOther := func(r *http.Request) { r.URL.Path = "/hooks/other" }
	if status, answer := p.send(body, toOther); status != http.StatusAccepted {
		t.Fatalf("the delivery got %d %s", status, answer)
	}
	p.Eventually(time.Minute, "the other stack is live", func() bool { return p.Now().LastGood != nil })
	p.mustRunVersion("other")

	// They leave again; what runs is left alone. The first repository moves.
	moved := gittest.Serve(t, p.Repo)
	moved.RequireAuth("deployer", p.Keys["git"])
	p.edit(repository+stacks+stack, stacks)
	p.edit(p.Git.URL, moved.URL)
	p.mustReload()
	p.Git.Close()
	if status, answer := p.send(body, toOther); status != http.StatusNotFound {
		t.Errorf("a delivery for a repository that is gone got %d %s", status, answer)
	}
	p.mustRunVersion("other")
	p.Stack = first
	_, run = p.Push("two", oneService(image, "two"))
	producttest.MustEnd(t, run, state.RunSucceeded)
}

// A file with a secret that is opened to others after the start is warned of
// once, and refused by the next reload.
func TestSecretThatIsOpenedToOthersIsWarnedOf(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	const said = "open to every user of the machine, and the next start"
	file := p.Path("hook.secret")
	push := func(version string) {
		t.Helper()
		_, run := p.Push(version, oneService(image, version))
		producttest.MustEnd(t, run, state.RunSucceeded)
	}
	open := func(mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	push("one")
	if strings.Contains(p.Log.String(), said) {
		t.Error("it warns of a file that is closed")
	}
	open(0o644)
	push("two")
	push("three")
	if n := strings.Count(p.Log.String(), said); n != 1 || !strings.Contains(p.Log.String(), "chmod o= "+file) {
		t.Errorf("%d warnings, want one that says what to do", n)
	}
	if p.Reload() {
		t.Error("a reload takes it")
	}
	open(0o600)
	push("four")
	open(0o604)
	push("five")
	if n := strings.Count(p.Log.String(), said); n != 2 {
		t.Errorf("%d warnings after it was opened again, want 2", n)
	}
}
