package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A Git server that is down fails the run before anything is changed; the
// same delivery, sent again when the server is back, deploys.
func TestGitServerThatIsDown(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	commit := p.Repo.Commit("main", "while the server is down", oneService(image, "one"))
	p.Git.Close()

	body := fmt.Appendf(nil, `{"ref":"refs/heads/main","after":%q}`, commit)
	if status, answer := p.Post(body, p.Sign(body), "the-delivery"); status != http.StatusAccepted {
		t.Fatalf("the delivery was answered with %d: %s", status, answer)
	}
	run := p.Wait(p.History()[0].ID)
	producttest.MustEnd(t, run, state.RunFailed)
	for _, says := range []string{p.Git.URL, "unreachable", "see that the Git server answers"} {
		if !strings.Contains(run.Error+run.Hint, says) {
			t.Errorf("the error does not say %q: %s (%s)", says, run.Error, run.Hint)
		}
	}

	p.serveGitAgain()
	if status, answer := p.Post(body, p.Sign(body), "the-delivery"); status != http.StatusAccepted {
		t.Fatalf("the redelivery was answered with %d: %s", status, answer)
	}
	producttest.MustEnd(t, p.Wait(p.History()[0].ID), state.RunSucceeded)
}

// serveGitAgain takes the closed Git server up at its old address.
func (p *product) serveGitAgain() {
	p.t.Helper()
	address := strings.TrimPrefix(p.Git.URL, "http://")
	ln, err := net.Listen("tcp", address[:strings.Index(address, "/")])
	if err != nil {
		p.t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(p.Git)
	_ = srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	p.t.Cleanup(srv.Close)
}

// A registry that is down is found before the old containers stop.
func TestRegistryThatIsDown(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("good", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	before := p.Containers()
	_, run = p.Push("from a registry that is down", oneService("127.0.0.1:1/app:2", "two"))
	producttest.MustEnd(t, run, state.RunFailed)
	text := evidence(run, state.StagePreflight)
	for _, says := range []string{"images failed", "web", "127.0.0.1:1"} {
		if !strings.Contains(text, says) {
			t.Errorf("preflight does not say %q:\n%s", says, text)
		}
	}
	if after := p.Containers(); after["web"] != before["web"] {
		t.Error("the container was replaced")
	}
}

// An Engine that does not answer fails the run of its stack, by name, and
// none of the others.
func TestEngineThatIsDown(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	p.Stop()
	p.Configure("generic", "  elsewhere: {repository: config, project: elsewhere, target: {docker: tcp://127.0.0.1:1}}\n")
	p.Start()
	commit := p.Repo.Commit("main", "for both", oneService(image, "one"))
	ids := p.Deliver(map[string]any{"ref": "refs/heads/main", "after": commit})
	if len(ids) != 2 {
		t.Fatalf("the push queued %d runs, want one of each stack", len(ids))
	}
	for _, id := range ids {
		run := p.Wait(id)
		if run.Stack == p.Stack {
			producttest.MustEnd(t, run, state.RunSucceeded)
			continue
		}
		producttest.MustEnd(t, run, state.RunFailed)
		if text := evidence(run, state.StagePreflight); !strings.Contains(text, "tcp://127.0.0.1:1") || !strings.Contains(text, "dockerd") {
			t.Errorf("the failure does not name the Engine and what to do:\n%s", text)
		}
	}
}

// A configuration with faults is refused with all of them at once.
func TestFaultsOfTheConfigurationAreListed(t *testing.T) {
	t.Parallel()
	p := &producttest.Product{T: t, Dir: t.TempDir(), Program: producttest.Binary(t)}
	p.Write("secret", "x")
	p.Write("bad.yaml", `listen: nowhere
workers: -1
tokens:
  - {name: ops, role: king, sha256: 123}
repositories:
  infra: {url: "ftp://git.example.com/x.git", branch: main}
  forged: {url: "https://git.example.com/x", forge: {provider: gitea, api: "https://git.example.com", token: x, repository: x}}
stacks:
  app: {repository: other, colour: red}
notify: ["slakc://x"]`)
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"a bad configuration": {[]string{"serve", "--config", p.Path("bad.yaml")},
			[]string{"bad.yaml:1", "bad.yaml:2", "bad.yaml:4", "role", "sha256", "bad.yaml:6", "url", "branch", "bad.yaml:7", "owner/name", "bad.yaml:9", "other", "colour", "bad.yaml:10", "slakc"}},
		"no configuration":   {[]string{"serve", "--config", p.Path("none.yaml")}, []string{"none.yaml"}},
		"an unknown command": {[]string{"depoly"}, []string{"depoly"}},
		"an unknown flag":    {[]string{"serve", "--confg", "x"}, []string{"--confg", "--help"}},
		"too many arguments": {[]string{"serve", "now"}, []string{"now"}},
		"no token":           {[]string{"status"}, []string{"DEPLOYER_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(p.Program, c.args...)
			cmd.Env = []string{"HOME=" + p.Dir}
			stopped := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
			defer stopped.Stop()
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != 2 {
				t.Errorf("it exits with %d", code)
			}
			for _, says := range c.says {
				if !regexp.MustCompile(regexp.QuoteMeta(says) + `\b`).Match(out) {
					t.Errorf("it does not say %q:\n%s", says, out)
				}
			}
		})
	}
}

// What Git keeps besides files does no harm.
func TestCommitWithOddEntriesDeploys(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("odd", and(oneService(image, "one"), gittest.Files{
		"vendored":   gittest.Submodule("1234567890123456789012345678901234567890"),
		"link":       gittest.Symlink("/etc/passwd"),
		"-rf":        gittest.Text("x\n"),
		"new\nline":  gittest.Text("x\n"),
		"big.bin":    gittest.Text(strings.Repeat("\x00\xff", 3<<20)),
		"run.sh":     gittest.Exec("#!/bin/sh\n"),
		"d/e/e/p/er": gittest.Text("x\n"),
	}))
	producttest.MustEnd(t, run, state.RunSucceeded)
}
