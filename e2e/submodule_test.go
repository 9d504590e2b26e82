package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A submodule's way through the whole product: what is mounted of it goes
// forward and back with its recorded commit, and one that was not pushed stops
// the deploy before anything is touched.
func TestASubmoduleIsDeployedAtItsRecordedCommit(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	lib, other := s.Repo.NewSibling("lib"), s.Repo.NewSibling("other")
	first := lib.Commit("main", "one", gittest.Files{"page": gittest.Text("page one"), "more": gittest.Text("x")})
	otherFirst := other.Commit("main", "one", gittest.Files{"own": gittest.Text("own")})
	commit := s.commit("one", `"./conf/lib/page:/page:ro"`, "", fmt.Sprintf(`  side:
    image: %s
    volumes: ["./conf/other/own:/own:ro"]
`, s.image))
	commit["pipeline.yaml"] = gittest.Text(fmt.Sprintf("verify: [{check: http, url: 'http://127.0.0.1:%s/file?path=/page', body: page}]\n", s.port))
	commit[".gitmodules"] = gittest.Modules(map[string]string{"conf/lib": "../lib.git", "conf/other": "../other.git", "unused": "../none.git"})
	commit["conf/lib"], commit["conf/other"] = gittest.Submodule(first), gittest.Submodule(otherFirst)
	commit["unused"] = gittest.Submodule(strings.Repeat("1", 40))
	_, run := s.Push("one", commit)
	producttest.MustEnd(t, run, state.RunSucceeded)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "conf/lib at "+first[:7]+" of http://") || strings.Contains(text, "unused") {
		t.Errorf("preflight:\n%s", text)
	}
	before := s.Containers()
	bump := func(message, to string) *state.Run {
		t.Helper()
		_, run := s.Push(message, gittest.Files{"conf/lib": gittest.Submodule(to)})
		return run
	}
	must := func(run *state.Run, want state.RunStatus, page string) {
		t.Helper()
		producttest.MustEnd(t, run, want)
		if got := s.sees("/page"); got != "200 "+page {
			t.Errorf("after %q the container sees %q, want %q", run.Subject, got, page)
		}
	}

	second := lib.Commit("main", "two", gittest.Files{"page": gittest.Text("page two")})
	must(bump("two", second), state.RunSucceeded, "page two")
	now := s.Containers()
	if now["web"] == before["web"] || now["side"] != before["side"] {
		t.Errorf("web is to be recreated alone: %v, then %v", before, now)
	}
	must(bump("what nothing mounts", lib.Commit("main", "more", gittest.Files{"more": gittest.Text("y")})), state.RunUnchanged, "page two")
	must(bump("bad", lib.Commit("main", "bad", gittest.Files{"page": gittest.Text("wrong")})), state.RunRolledBack, "page two")
	if got := s.Containers()["side"]; got != before["side"] {
		t.Error("side was touched by the way back")
	}

	now = s.Containers()
	desk := lib.NewSibling("desk")
	desk.Git("fetch", "-q", lib.Dir, "main:main")
	third := desk.Commit("main", "three", gittest.Files{"page": gittest.Text("page three")})
	run = bump("three", third)
	must(run, state.RunFailed, "page two")
	if diff := cmp.Diff(now, s.Containers()); diff != "" {
		t.Error("it touched a container:", diff)
	}
	for _, says := range []string{"conf/lib is a submodule (http://", "/lib.git at " + third[:7] + "): the commit is not at the remote", "push it there"} {
		if text := evidence(run, state.StagePreflight); !strings.Contains(text, says) || strings.Contains(text, s.Keys["git"]) {
			t.Errorf("%q is not said, or too much:\n%s", says, text)
		}
	}
	lib.Git("fetch", "-q", desk.Dir, "main:main")
	out, code := s.CLI("retry", run.ID)
	if code != 0 {
		t.Fatalf("retry: exit %d\n%s", code, out)
	}
	if got := s.sees("/page"); got != "200 page three" {
		t.Errorf("the retry leaves %q\n%s", got, out)
	}
	lib.Delete("main") // the way back needs no Git server
	if out, code := s.CLI("rollback", s.Stack); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	if got := s.sees("/page"); got != "200 page two" {
		t.Errorf("back it sees %q", got)
	}
	if entries, err := os.ReadDir(s.Path("data/mirrors/config.submodules")); err != nil || len(entries) != 2 {
		t.Errorf("mirrors of submodules: %v, %v", entries, err)
	}
}

// The commit decides neither whom the server asks nor with which password.
func TestCredentialsDoNotFollowASubmodule(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	var mu sync.Mutex
	var seen []http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Clone())
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(other.Close)
	asked := func() []http.Header {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
	commit := s.commit("one", `"./lib/page:/page:ro"`, "", "")
	commit[".gitmodules"] = gittest.Modules(map[string]string{"lib": other.URL + "/lib.git"})
	commit["lib"] = gittest.Submodule(strings.Repeat("1", 40))
	_, run := s.Push("elsewhere", commit)
	producttest.MustEnd(t, run, state.RunFailed)
	if text := evidence(run, state.StagePreflight); len(asked()) != 0 || !strings.Contains(text, "another server") || !strings.Contains(text, "submodules: [") {
		t.Errorf("%d requests\n%s", len(asked()), text)
	}
	if _, err := os.Stat(s.Path("data/mirrors/config.submodules")); err == nil {
		t.Error("a mirror was made for it")
	}

	config, err := os.ReadFile(s.Path("deployer.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.Write("deployer.yaml", strings.Replace(string(config), "    poll: 0\n", "    poll: 0\n    submodules: ["+other.URL+"/]\n", 1))
	if !s.Reload() {
		t.Fatal(s.Log.String())
	}
	_, run = s.Push("listed now", gittest.Files{"note": gittest.Text("x")})
	producttest.MustEnd(t, run, state.RunFailed)
	if text := evidence(run, state.StagePreflight); len(asked()) == 0 || !strings.Contains(text, "no credentials are sent there") {
		t.Errorf("%d requests\n%s", len(asked()), text)
	}
	for _, h := range asked() {
		if h.Get("Authorization") != "" || strings.Contains(fmt.Sprint(h), s.Keys["git"]) {
			t.Errorf("the other server was sent %v", h)
		}
	}
}

// A commit of a submodule that is pushed late is deployed by the next poll.
func TestPollFindsASubmoduleThatWasPushedLate(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	s.Poll = "1s"
	s.Configure("generic", "")
	if !s.Reload() {
		t.Fatal(s.Log.String())
	}
	lib := s.Repo.NewSibling("lib")
	lib.Commit("main", "empty", gittest.Files{"x": gittest.Text("x")})
	desk := lib.NewSibling("desk")
	late := desk.Commit("main", "late", gittest.Files{"page": gittest.Text("late page")})
	commit := s.commit("one", `"./lib/page:/page:ro"`, "", "")
	commit[".gitmodules"], commit["lib"] = gittest.Modules(map[string]string{"lib": "../lib.git"}), gittest.Submodule(late)
	_, run := s.Push("too early", commit)
	producttest.MustEnd(t, run, state.RunFailed)
	lib.Git("fetch", "-q", desk.Dir, "main:later")
	s.Eventually(time.Minute, "poll deploys it", func() bool { return s.Now().LastGood != nil })
	if got := s.sees("/page"); got != "200 late page" {
		t.Errorf("the container sees %q", got)
	}
}
