package gitsync_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// open returns a mirror in a folder of its own.
func open(t testing.TB, remote gitsync.Remote, options ...gitsync.Option) (*gitsync.Mirror, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mirrors", "infra.git")
	m := gitsync.Open(dir, remote, options...)
	t.Cleanup(func() { m.Close() })
	return m, dir
}

func mustFetch(t testing.TB, m *gitsync.Mirror, branch string) *gitsync.Snapshot {
	t.Helper()
	s, err := m.Fetch(context.Background(), branch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// told is all that an operator is told of an error.
func told(err error) string {
	var own interface{ Hint() string }
	if errors.As(err, &own) {
		return err.Error() + "; " + own.Hint()
	}
	return fmt.Sprint(err)
}

// wantFile checks a file's content.
func wantFile(t testing.TB, s *gitsync.Snapshot, path, want string) {
	t.Helper()
	got, err := s.ReadFile(path)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s = %q, want %q", path, got, want)
	}
}

// remotes are the ways to reach a repository that every fetch must work over.
var remotes = map[string]func(*testing.T, *gittest.Repo) gitsync.Remote{
	"http": func(t *testing.T, r *gittest.Repo) gitsync.Remote {
		return gitsync.Remote{URL: gittest.Serve(t, r).URL}
	},
	"file": func(_ *testing.T, r *gittest.Repo) gitsync.Remote { return gitsync.Remote{URL: r.URL()} },
	"ssh":  func(t *testing.T, r *gittest.Repo) gitsync.Remote { return serveSSH(t).remote(r) },
	"file without git": func(t *testing.T, r *gittest.Repo) gitsync.Remote {
		t.Setenv("PATH", t.TempDir())
		return gitsync.Remote{URL: r.URL()}
	},
}

func TestFetchFollowsTheBranch(t *testing.T) {
	for name, remote := range remotes {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			first := repo.Commit("main", "first\n\nbody", gittest.Files{
				"compose.yaml": gittest.Text("services: {}\n"), "conf/a": gittest.Text("1")})
			m, _ := open(t, remote(t, repo))

			s := mustFetch(t, m, "main")
			if s.Commit != first || s.Subject != "first" || s.Author != "Test Author" {
				t.Errorf("got %q %q by %q", s.Commit, s.Subject, s.Author)
			}
			if tree := repo.Git("rev-parse", first+"^{tree}"); s.Tree != tree {
				t.Errorf("tree %s, want %s", s.Tree, tree)
			}
			if !s.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
				t.Errorf("time %s", s.Time)
			}

			second := repo.Commit("main", "second", gittest.Files{"conf/a": gittest.Text("2")})
			s2 := mustFetch(t, m, "main")
			if s2.Commit != second {
				t.Errorf("got %s, want %s", s2.Commit, second)
			}
			wantFile(t, s2, "conf/a", "2")
			wantFile(t, s2, "compose.yaml", "services: {}\n")
			wantFile(t, s, "conf/a", "1")

			if again := mustFetch(t, m, "main"); again.Commit != second {
				t.Errorf("got %s, want %s", again.Commit, second)
			}
			if tip, err := m.Tip(context.Background(), "main"); tip != second || err != nil {
				t.Errorf("Tip = %s, %v", tip, err)
			}
		})
	}
}

func TestFetchWithoutChangeAsksOnce(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := gittest.Serve(t, repo)
	m, dir := open(t, gitsync.Remote{URL: server.URL})
	mustFetch(t, m, "main")

	for _, m := range []*gitsync.Mirror{m, gitsync.Open(dir, gitsync.Remote{URL: server.URL})} {
		before := server.Requests()
		mustFetch(t, m, "main")
		if n := server.Requests() - before; n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	}
	repo.Commit("main", "second", gittest.Files{"a": gittest.Text("2")})
	before := server.Requests()
	mustFetch(t, m, "main")
	if n := server.Requests() - before; n != 2 {
		t.Errorf("%d requests for a change, want 2", n)
	}
}

// A server with bitmap indexes leaves out all that is reachable from what the
// client has, its history included, although a shallow client does not have that.
func TestRevertToContentOlderThanTheShallowHistory(t *testing.T) {
	repo := gittest.NewRepo(t)
	old := gittest.Files{"conf/app/settings": gittest.Text("the good old settings"), "compose.yaml": gittest.Text("a")}
	repo.Commit("main", "old content", old)
	repo.Commit("main", "new content", gittest.Files{"conf/app/settings": gittest.Text("new")})
	repo.RepackBitmaps()
	server := gittest.Serve(t, repo)
	m, _ := open(t, gitsync.Remote{URL: server.URL})
	mustFetch(t, m, "main")

	reverted := repo.Commit("main", "revert", gittest.Files{"conf/app/settings": old["conf/app/settings"]})
	repo.RepackBitmaps()
	before := server.Requests()
	s := mustFetch(t, m, "main")
	if s.Commit != reverted {
		t.Fatalf("got %s, want %s", s.Commit, reverted)
	}
	wantFile(t, s, "conf/app/settings", "the good old settings")
	if n := server.Requests() - before; n != 3 {
		t.Errorf("%d requests: the server did not leave anything out, so this test shows nothing", n)
	}
}

func TestRewrittenBranch(t *testing.T) {
	for name, remote := range remotes {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1"), "b": gittest.Text("1")})
			repo.Commit("main", "second", gittest.Files{"a": gittest.Text("2"), "b": gittest.Text("2")})
			m, _ := open(t, remote(t, repo))
			before := mustFetch(t, m, "main")

			amended := repo.CommitOn(first, "main", "amended", gittest.Files{"b": gittest.Text("3")})
			s := mustFetch(t, m, "main")
			if s.Commit != amended {
				t.Fatalf("got %s, want %s", s.Commit, amended)
			}
			wantFile(t, s, "a", "1")
			wantFile(t, s, "b", "3")

			orphan := repo.CommitOn("", "main", "a new beginning", gittest.Files{"c": gittest.Text("4")})
			if s = mustFetch(t, m, "main"); s.Commit != orphan {
				t.Fatalf("got %s, want %s", s.Commit, orphan)
			}
			wantFile(t, s, "c", "4")

			repo.Reset("main", first)
			if s = mustFetch(t, m, "main"); s.Commit != first {
				t.Fatalf("got %s, want %s", s.Commit, first)
			}
			wantFile(t, s, "a", "1")
			wantFile(t, before, "a", "2")
		})
	}
}

func TestBranches(t *testing.T) {
	ctx := context.Background()
	repo := gittest.NewRepo(t)
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	if _, err := m.Fetch(ctx, "main"); !errors.Is(err, gitsync.ErrBranchNotFound) {
		t.Errorf("empty repository: %v", err)
	}
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	repo.Commit("topic", "topic", gittest.Files{"a": gittest.Text("t")})
	repo.Git("tag", "v1", "main")
	mustFetch(t, m, "main")
	wantFile(t, mustFetch(t, m, "topic"), "a", "t")

	for _, branch := range []string{"v1", "gone", "", "../../config", "-x", "a..b", "refs/heads/main"} {
		if _, err := m.Fetch(ctx, branch); !errors.Is(err, gitsync.ErrBranchNotFound) {
			t.Errorf("Fetch(%q): %v, want ErrBranchNotFound", branch, err)
		}
		if _, err := m.Tip(ctx, branch); !errors.Is(err, gitsync.ErrBranchNotFound) {
			t.Errorf("Tip(%q): %v, want ErrBranchNotFound", branch, err)
		}
	}

	repo.Delete("topic")
	repo.Commit("topic/one", "a branch where a branch of that name was", gittest.Files{"a": gittest.Text("t1")})
	wantFile(t, mustFetch(t, m, "topic/one"), "a", "t1")
}

func TestManyFetchesLeaveFewPacks(t *testing.T) {
	repo := gittest.NewRepo(t)
	first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("0"), "big/b": gittest.Text("b")})
	m, dir := open(t, gitsync.Remote{URL: repo.URL()})
	gitsync.SetMaxPacks(m, 5)
	inUse := mustFetch(t, m, "main")
	second := repo.Commit("main", "second", gittest.Files{"a": gittest.Text("0b")})
	mustFetch(t, m, "main")
	if err := m.Keep(second); err != nil {
		t.Fatal(err)
	}
	var dropped string
	for i := range 12 {
		id := repo.Commit("main", "change", gittest.Files{"a": gittest.Text(fmt.Sprint(i))})
		if i == 0 {
			dropped = id
		}
		mustFetch(t, m, "main")
	}
	packs, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if len(packs) > 5 {
		t.Errorf("%d packs", len(packs))
	}
	wantFile(t, mustFetch(t, m, "main"), "a", "11")
	wantFile(t, inUse, "a", "0")
	wantFile(t, inUse, "big/b", "b")
	if s, err := m.Snapshot(context.Background(), second); err != nil {
		t.Error(err)
	} else {
		wantFile(t, s, "a", "0b")
	}
	if _, err := m.Snapshot(context.Background(), dropped); !errors.Is(err, gitsync.ErrNotFound) {
		t.Errorf("a commit that nothing keeps: %v", err)
	}
	if inUse.Commit != first {
		t.Error("snapshot changed")
	}
	if leftovers, _ := filepath.Glob(dir + ".*"); len(leftovers) > 0 {
		t.Errorf("left behind: %s", strings.Join(leftovers, " "))
	}
}
