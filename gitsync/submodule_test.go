package gitsync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// withLib is a repository with a submodule at conf/lib, from beside it.
func withLib(t *testing.T) (infra, lib *gittest.Repo, commit string) {
	t.Helper()
	infra = gittest.NewRepo(t)
	lib = infra.NewSibling("lib")
	commit = lib.Commit("main", "first", gittest.Files{
		"app.conf": gittest.Text("one"), "bin/run.sh": gittest.Exec("#!/bin/sh\n"), "up": gittest.Symlink("../own.conf"),
	})
	infra.Commit("main", "first", gittest.Files{
		".gitmodules":   gittest.Modules(map[string]string{"conf/lib": "../lib.git", "vendor/big": "../gone.git"}),
		"conf/lib":      gittest.Submodule(commit),
		"conf/own.conf": gittest.Text("own"),
		"vendor/big":    gittest.Submodule(strings.Repeat("1", 40)),
	})
	return infra, lib, commit
}

// bump has the submodule at conf/lib recorded at another commit.
func bump(infra *gittest.Repo, commit string) string {
	return infra.Commit("main", "bump lib", gittest.Files{"conf/lib": gittest.Submodule(commit)})
}

func mustHash(t *testing.T, s *gitsync.Snapshot, path string) string {
	t.Helper()
	h, err := s.Hash(path)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestASubmoduleIsAFolder(t *testing.T) {
	for name, remote := range remotes {
		t.Run(name, func(t *testing.T) {
			infra, lib, commit := withLib(t)
			vendored := infra.CommitOn("", "vendored", "the same files without a submodule", gittest.Files{
				"conf/lib/app.conf": gittest.Text("one"), "conf/lib/bin/run.sh": gittest.Exec("#!/bin/sh\n"), "conf/lib/up": gittest.Symlink("../own.conf"),
				"conf/own.conf": gittest.Text("own"),
			})
			trees := map[string]string{}
			for _, at := range []string{"conf", "conf/lib", "conf/lib/bin", "conf/lib/app.conf"} {
				trees[at] = infra.Git("rev-parse", vendored+":"+at)
			}
			m, _ := open(t, remote(t, infra))
			s := mustFetch(t, m, "main")
			inside, err := fs.Sub(s, "conf/lib/bin") // TestFS opens links
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(inside, "run.sh"); err != nil {
				t.Error(err)
			}
			wantFile(t, s, "conf/lib/app.conf", "one")
			for at, want := range trees {
				if got := mustHash(t, s, at); got != want {
					t.Errorf("hash of %s = %s, want %s as of plain files", at, got, want)
				}
			}
			if info, err := s.Stat("conf/lib/bin/run.sh"); err != nil || info.Mode() != 0o755 {
				t.Errorf("run.sh: %v, %v", info, err)
			}
			if target, err := s.ReadLink("conf/lib/up"); target != "../own.conf" || err != nil {
				t.Errorf("link: %q, %v", target, err)
			}
			if _, err := s.ReadFile("conf/lib/up"); !errors.Is(err, gitsync.ErrSymlink) {
				t.Errorf("a link is followed: %v", err)
			}
			if _, err := s.Stat("conf/lib/gone"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("gone: %v", err)
			}
			entered := s.Entered()
			if len(entered) != 1 || entered[0].Path != "conf/lib" || entered[0].Commit != commit || !strings.HasSuffix(entered[0].URL, "/lib.git") {
				t.Errorf("entered: %+v", entered)
			}
			next := lib.Commit("main", "second", gittest.Files{"app.conf": gittest.Text("two")})
			bump(infra, next)
			s = mustFetch(t, m, "main")
			wantFile(t, s, "conf/lib/app.conf", "two")
			if mustHash(t, s, "conf") == trees["conf"] || mustHash(t, s, "conf/lib/bin") != trees["conf/lib/bin"] {
				t.Error("the hashes do not follow the content")
			}
		})
	}
}

// What no path leads into is neither fetched nor looked at.
func TestASubmoduleThatIsNotEnteredCostsNothing(t *testing.T) {
	infra, _, _ := withLib(t)
	server := gittest.Serve(t, infra)
	var mu sync.Mutex
	var asked []string
	server.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
		return false
	})
	m, _ := open(t, gitsync.Remote{URL: server.URL})
	s := mustFetch(t, m, "main")
	wantFile(t, s, "conf/own.conf", "own")
	for _, dir := range []string{".", "conf", "vendor"} {
		if _, err := s.ReadDir(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for _, at := range []string{"conf/lib", "vendor/big"} {
		if info, err := s.Lstat(at); err != nil || !info.IsDir() || info.Mode()&fs.ModeIrregular == 0 {
			t.Errorf("%s: %v, %v", at, info, err)
		}
	}
	if got := s.SubmodulePaths(); !slices.Equal(got, []string{"conf/lib", "vendor/big"}) {
		t.Errorf("submodules: %q", got)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, p := range asked {
		if !strings.HasPrefix(p, "/repo.git/") {
			t.Errorf("%s was asked for", p)
		}
	}
}

// A commit is found whatever the server gives out, and wherever it is.
func TestCommitsOfSubmodulesOnEveryKindOfServer(t *testing.T) {
	for name, config := range map[string][]string{
		"advertised commits only": nil,
		"exact commits":           {"uploadpack.allowReachableSHA1InWant"},
		"any object":              {"uploadpack.allowAnySHA1InWant"},
	} {
		for _, history := range []int{0, 3, 20} {
			t.Run(fmt.Sprintf("%s, %d back", name, history), func(t *testing.T) {
				infra, lib, commit := withLib(t)
				for _, key := range config {
					lib.Config(key, "true")
				}
				lib.Git("tag", "v1", commit)
				tagged := lib.CommitOn("", "other", "a history of its own", gittest.Files{"app.conf": gittest.Text("tagged")})
				lib.Git("tag", "-a", "-m", "annotated", "v2", tagged)
				lib.Delete("other")
				lib.Git("tag", "-d", "v1")
				for i := range history {
					lib.Commit("main", "later", gittest.Files{"app.conf": gittest.Text(fmt.Sprint(i))})
				}
				m, _ := open(t, gitsync.Remote{URL: gittest.Serve(t, infra).URL})
				gitsync.SetDeepen(m, 5)
				wantFile(t, mustFetch(t, m, "main"), "conf/lib/app.conf", "one")
				bump(infra, tagged)
				wantFile(t, mustFetch(t, m, "main"), "conf/lib/app.conf", "tagged")

				bump(infra, strings.Repeat("a", 40))
				s := mustFetch(t, m, "main")
				_, err := s.ReadFile("conf/lib/app.conf")
				if !errors.Is(err, gitsync.ErrNotAtRemote) || gitsync.Retryable(err) || errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("not pushed: %v", err)
				}
				for _, part := range []string{"conf/lib is a submodule (http://", "/lib.git at aaaaaaa)", "push it there"} {
					if !strings.Contains(told(err), part) {
						t.Errorf("%s\nlacks %q", told(err), part)
					}
				}
			})
		}
	}
}

// Once it is pushed, the same commit of the repository works.
func TestACommitThatIsPushedLater(t *testing.T) {
	infra, lib, _ := withLib(t)
	local := lib.NewSibling("desk")
	local.Git("fetch", "-q", lib.Dir, "main:main")
	next := local.Commit("main", "second", gittest.Files{"app.conf": gittest.Text("two")})
	bump(infra, next)
	m, _ := open(t, gitsync.Remote{URL: gittest.Serve(t, infra).URL})
	s := mustFetch(t, m, "main")
	if _, err := s.Open("conf/lib"); !errors.Is(err, gitsync.ErrNotAtRemote) {
		t.Fatalf("not pushed: %v", err)
	}
	lib.Git("fetch", "-q", local.Dir, "main:main")
	if _, err := s.Open("conf/lib"); !errors.Is(err, gitsync.ErrNotAtRemote) {
		t.Errorf("the answer changed within one attempt: %v", err)
	}
	s.During(context.Background())
	wantFile(t, s, "conf/lib/app.conf", "two")
}

func TestSubmodulesThatCannotBeEntered(t *testing.T) {
	for name, test := range map[string]struct {
		files gittest.Files
		want  error
		says  string
	}{
		"no entry":      {gittest.Files{".gitmodules": gittest.Removed()}, gitsync.ErrSubmodule, "no entry in .gitmodules"},
		"no url":        {gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": ""})}, gitsync.ErrSubmodule, "no entry in .gitmodules"},
		"a link":        {gittest.Files{".gitmodules": gittest.Symlink("/etc/passwd")}, gitsync.ErrSubmodule, ".gitmodules is not a plain file"},
		"nonsense":      {gittest.Files{".gitmodules": gittest.Text("[submodule")}, gitsync.ErrSubmodule, ".gitmodules cannot be read"},
		"another place": {gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": "https://evil.example/x"})}, gitsync.ErrNotAllowed, "another server"},
		"a password": {gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": "https://u:tellnobody@evil.example/x"})},
			gitsync.ErrNotAllowed, "holds credentials"},
		"a command":     {gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": "ext::touch /tmp/x"})}, gitsync.ErrNotAllowed, "correct its url"},
		"this machine":  {gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": "/etc"})}, gitsync.ErrNotAllowed, "on this machine"},
		"no repository": {gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": "../none.git"})}, gitsync.ErrNoRepository, "check its url in .gitmodules; where that is right, no credentials are sent there"},
		"two urls": {gittest.Files{".gitmodules": gittest.Text("[submodule \"a\"]\npath = conf/lib\nurl = ../a.git\n[submodule \"b\"]\npath = conf/lib\nurl = ../b.git\n")},
			gitsync.ErrSubmodule, "several urls"},
	} {
		t.Run(name, func(t *testing.T) {
			infra, _, _ := withLib(t)
			infra.Commit("main", name, test.files)
			m, _ := open(t, gitsync.Remote{URL: gittest.Serve(t, infra).URL})
			s := mustFetch(t, m, "main")
			_, err := s.ReadDir("conf/lib")
			_, hashErr := s.Hash("conf/lib")
			_, fileErr := s.ReadFile("conf/lib/app.conf")
			for _, err := range []error{err, hashErr, fileErr} {
				if !errors.Is(err, test.want) || !errors.Is(err, gitsync.ErrSubmodule) || errors.Is(err, fs.ErrNotExist) || gitsync.Retryable(err) {
					t.Errorf("%v, want %v", err, test.want)
				}
				if text := told(err); !strings.Contains(text, test.says) || !strings.Contains(text, "conf/lib is a submodule (") || strings.Contains(text, "tellnobody") {
					t.Errorf("%s\nlacks %q, or says too much", text, test.says)
				}
			}
			wantFile(t, s, "conf/own.conf", "own") // what is beside it is as ever
		})
	}
}

// A strict server beside the repository's sees no credentials, whether it is
// named in .gitmodules or redirected to.
func TestCredentialsStayWithTheirServer(t *testing.T) {
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
	heard := func() int {
		mu.Lock()
		defer mu.Unlock()
		for _, h := range seen {
			if len(h["Authorization"])+len(h["Cookie"]) > 0 {
				t.Errorf("another server was sent %v", h)
			}
		}
		return len(seen)
	}
	infra, _, _ := withLib(t)
	server := gittest.Serve(t, infra)
	server.RequireAuth("deployer", password)
	remote := gitsync.Remote{URL: server.URL, Username: "deployer", Password: credential(password)}

	m, _ := open(t, remote)
	wantFile(t, mustFetch(t, m, "main"), "conf/lib/app.conf", "one") // the same server is sent them

	t.Run("not listed", func(t *testing.T) {
		infra.Commit("main", "elsewhere", gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": other.URL + "/lib.git"})})
		m, _ := open(t, remote)
		_, err := mustFetch(t, m, "main").Open("conf/lib")
		if !errors.Is(err, gitsync.ErrNotAllowed) || heard() != 0 {
			t.Errorf("%v after %d requests", err, heard())
		}
	})
	t.Run("listed", func(t *testing.T) {
		listing := remote
		listing.Submodules.From = []string{other.URL + "/"}
		m, _ := open(t, listing)
		_, err := mustFetch(t, m, "main").Open("conf/lib")
		if !errors.Is(err, gitsync.ErrAuth) || heard() == 0 || !strings.Contains(told(err), "no credentials are sent there: give "+other.URL+"/lib.git an entry of its own") {
			t.Errorf("%s after %d requests", told(err), heard())
		}
	})
	t.Run("redirected", func(t *testing.T) {
		infra.Commit("main", "beside", gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": "../lib.git"})})
		server.Before(func(w http.ResponseWriter, r *http.Request) bool {
			moved := strings.HasPrefix(r.URL.Path, "/lib.git/")
			if moved {
				http.Redirect(w, r, other.URL+r.URL.RequestURI(), http.StatusFound)
			}
			return moved
		})
		before := heard()
		m, _ := open(t, remote)
		_, err := mustFetch(t, m, "main").Open("conf/lib")
		if !errors.Is(err, gitsync.ErrNotAllowed) || heard() != before || !strings.Contains(told(err), "redirects to another") {
			t.Errorf("%s after %d more requests", told(err), heard()-before)
		}
	})
}

// A repository that lists a submodule is lent the credentials of its entry.
func TestCredentialsAreLentWhereTheListAllowsIt(t *testing.T) {
	infra, lib, commit := withLib(t)
	_ = lib
	private := gittest.NewRepo(t)
	private.Git("fetch", "-q", lib.Dir, "main:main")
	server := gittest.Serve(t, private)
	server.RequireAuth("deployer", password)
	infra.Commit("main", "elsewhere", gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": server.URL})})
	remote := gitsync.Remote{URL: gittest.Serve(t, infra).URL, Submodules: gitsync.Submodules{
		From: []string{server.URL},
		Lend: []gitsync.Remote{{URL: server.URL, Username: "deployer", Password: credential(password)}},
	}}
	m, _ := open(t, remote)
	s := mustFetch(t, m, "main")
	wantFile(t, s, "conf/lib/app.conf", "one")
	if e := s.Entered(); len(e) != 1 || e[0].Commit != commit || strings.Contains(e[0].URL, password) {
		t.Errorf("entered: %+v", e)
	}
	remote.Submodules.Lend[0].Password = credential("wrong")
	m, _ = open(t, remote)
	_, err := mustFetch(t, m, "main").Open("conf/lib")
	if !errors.Is(err, gitsync.ErrAuth) || !strings.Contains(told(err), "auth of its own entry") || strings.Contains(told(err), password) {
		t.Errorf("%s", told(err))
	}
}

func TestNestedSubmodules(t *testing.T) {
	infra, lib, _ := withLib(t)
	inner := infra.NewSibling("inner")
	first := inner.Commit("main", "first", gittest.Files{"x": gittest.Text("inner")})
	next := lib.Commit("main", "nests", gittest.Files{
		".gitmodules": gittest.Modules(map[string]string{"in": "../inner.git"}), "in": gittest.Submodule(first),
	})
	bump(infra, next)
	m, _ := open(t, gitsync.Remote{URL: gittest.Serve(t, infra).URL})
	s := mustFetch(t, m, "main")
	wantFile(t, s, "conf/lib/in/x", "inner")
	if e := s.Entered(); len(e) != 2 || e[1].Path != "conf/lib/in" || e[1].Commit != first {
		t.Errorf("entered: %+v", e)
	}
	mustHash(t, s, "conf")

	t.Run("loop", func(t *testing.T) {
		back := inner.Commit("main", "loop", gittest.Files{
			".gitmodules": gittest.Modules(map[string]string{"again": "../lib"}), "again": gittest.Submodule(next),
		})
		bump(infra, lib.Commit("main", "loop", gittest.Files{"in": gittest.Submodule(back)}))
		s := mustFetch(t, m, "main")
		wantFile(t, s, "conf/lib/in/x", "inner")
		_, err := s.Hash("conf")
		if !errors.Is(err, gitsync.ErrSubmodule) || !strings.Contains(err.Error(), "conf/lib/in/again is a submodule") || !strings.Contains(err.Error(), "form a loop: ") {
			t.Errorf("%v", err)
		}
	})
	t.Run("too deep", func(t *testing.T) {
		files := gittest.Files{"x": gittest.Text("deep")}
		for i := range 12 {
			r := infra.NewSibling(fmt.Sprintf("level%d", i))
			files = gittest.Files{
				".gitmodules": gittest.Modules(map[string]string{"in": fmt.Sprintf("../level%d.git", i)}), "in": gittest.Submodule(r.Commit("main", "level", files)),
			}
		}
		bump(infra, lib.Commit("main", "deep", files))
		s := mustFetch(t, m, "main")
		_, err := s.ReadDir("conf/lib" + strings.Repeat("/in", 7))
		_, deepErr := s.ReadDir("conf/lib" + strings.Repeat("/in", 12))
		if err != nil || !errors.Is(deepErr, gitsync.ErrTooLarge) || !strings.Contains(deepErr.Error(), "nested deeper than 8") {
			t.Errorf("%v; %v", err, deepErr)
		}
	})
}

// What comes from a fork makes the server fetch from nowhere that the branch
// would not.
func TestAProposalIsLimitedToTheBranchsSubmodules(t *testing.T) {
	infra, lib, _ := withLib(t)
	secret := infra.NewSibling("secret")
	hidden := secret.Commit("main", "first", gittest.Files{"app.conf": gittest.Text("secret")})
	server := gittest.Serve(t, infra)
	m, _ := open(t, gitsync.Remote{URL: server.URL})
	base := mustFetch(t, m, "main")
	next := lib.Commit("main", "second", gittest.Files{"app.conf": gittest.Text("two")})
	for branch, files := range map[string]gittest.Files{
		"bumps": {"conf/lib": gittest.Submodule(next)},
		"moves": {"other": gittest.Submodule(next), ".gitmodules": gittest.Modules(map[string]string{"other": "../lib.git"})},
		"adds":  {"conf/lib": gittest.Submodule(hidden), ".gitmodules": gittest.Modules(map[string]string{"conf/lib": "../secret.git"})},
		"nests": {"conf/lib": gittest.Submodule(lib.Commit("fork", "nests", gittest.Files{
			".gitmodules": gittest.Modules(map[string]string{"in": "../secret.git"}), "in": gittest.Submodule(hidden),
		}))},
	} {
		infra.CommitOn("main", branch, branch, files)
	}
	limited := func(branch string) *gitsync.Snapshot {
		s := mustFetch(t, m, branch)
		s.LimitTo(base)
		return s
	}
	wantFile(t, limited("bumps"), "conf/lib/app.conf", "two")
	wantFile(t, limited("moves"), "other/app.conf", "two")
	for branch, at := range map[string]string{"adds": "conf/lib", "nests": "conf/lib/in"} {
		if _, err := limited(branch).ReadFile(at + "/app.conf"); !errors.Is(err, gitsync.ErrNotAllowed) || !strings.Contains(err.Error(), "the branch has no submodule from there") {
			t.Errorf("%s: %v", branch, err)
		}
		wantFile(t, mustFetch(t, m, branch), at+"/app.conf", "secret") // to show that the limit is why
	}
}

func TestDiffLooksIntoSubmodules(t *testing.T) {
	infra, lib, _ := withLib(t)
	lib.Config("uploadpack.allowAnySHA1InWant", "true") // so that one commit comes without the other
	m, _ := open(t, gitsync.Remote{URL: gittest.Serve(t, infra).URL})
	a := mustFetch(t, m, "main")
	bump(infra, lib.Commit("main", "second", gittest.Files{"app.conf": gittest.Text("two"), "new": gittest.Text("n")}))
	b := mustFetch(t, m, "main")
	diff := func(want ...string) {
		t.Helper()
		for _, pair := range [][2]*gitsync.Snapshot{{a, b}, {b, a}} {
			if got, err := gitsync.Diff(context.Background(), pair[0], pair[1]); !slices.Equal(got, want) || err != nil {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
	}
	diff("conf/lib/")
	wantFile(t, a, "conf/lib/app.conf", "one")
	diff("conf/lib/")
	wantFile(t, b, "conf/lib/app.conf", "two")
	diff("conf/lib/app.conf", "conf/lib/new")
	infra.Commit("main", "copied in", gittest.Files{
		"conf/lib": gittest.Removed(), "conf/lib/app.conf": gittest.Text("two"), "conf/lib/new": gittest.Text("n"),
	})
	a = mustFetch(t, m, "main")
	diff("conf/lib/bin/run.sh", "conf/lib/up")
}

func TestMirrorsOfSubmodulesGoWithTheirUse(t *testing.T) {
	ctx := context.Background()
	infra, lib, _ := withLib(t)
	lib.Config("uploadpack.allowAnySHA1InWant", "true")
	other := infra.NewSibling("other")
	inner := infra.NewSibling("inner")
	nested := other.Commit("main", "first", gittest.Files{
		".gitmodules": gittest.Modules(map[string]string{"in": "../inner.git"}),
		"in":          gittest.Submodule(inner.Commit("main", "first", gittest.Files{"x": gittest.Text("x")})),
	})
	both := infra.Commit("main", "another", gittest.Files{
		".gitmodules": gittest.Modules(map[string]string{"conf/lib": "../lib.git", "other": "../other.git"}), "other": gittest.Submodule(nested),
	})
	remote := gitsync.Remote{URL: gittest.Serve(t, infra).URL}
	m, dir := open(t, remote)
	wantDirs := func(when string, names ...string) {
		t.Helper()
		entries, err := os.ReadDir(strings.TrimSuffix(dir, ".git") + ".submodules")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			name, _, _ := strings.Cut(e.Name(), "-")
			got = append(got, name)
		}
		if !slices.Equal(got, names) {
			t.Errorf("%s: mirrors of %q, want %q", when, got, names)
		}
	}
	keep := func(read map[string][]string) []string {
		t.Helper()
		runtime.GC() // snapshots that nobody uses are gone then
		removed, err := m.KeepSubmodules(ctx, read)
		if err != nil {
			t.Fatal(err)
		}
		return removed
	}
	keep(map[string][]string{both: {"conf"}}) // before there is any
	s := mustFetch(t, m, "main")
	wantFile(t, s, "conf/lib/app.conf", "one")
	wantFile(t, s, "other/in/x", "x")
	wantDirs("entered", "inner", "lib", "other")
	keep(nil)
	wantDirs("in use", "inner", "lib", "other")
	wantFile(t, s, "other/in/x", "x") // and no longer

	keep(map[string][]string{both: {"conf/lib/app.conf", "other"}})
	wantDirs("read", "inner", "lib", "other")
	if removed := keep(map[string][]string{both: {"conf"}}); len(removed) != 2 {
		t.Errorf("removed %q", removed)
	}
	wantDirs("one is read no more", "lib")
	second := lib.Commit("main", "second", gittest.Files{"app.conf": gittest.Text("two")})
	bumped := bump(infra, second)
	wantFile(t, mustFetch(t, m, "main"), "conf/lib/app.conf", "two")
	lib.Delete("main")
	lib.Git("reflog", "expire", "--all", "--expire=now")
	lib.Git("prune", "--expire=now")
	keep(map[string][]string{both: {"conf"}, bumped: {"conf"}})
	m.Close()

	m = gitsync.Open(dir, remote) // another process
	t.Cleanup(func() { m.Close() })
	for commit, want := range map[string]string{both: "one", bumped: "two"} {
		s, err := m.Snapshot(ctx, commit)
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, s, "conf/lib/app.conf", want)
	}
	keep(map[string][]string{both: {"compose.yaml"}})
	wantDirs("none is read")
}
