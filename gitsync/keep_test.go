package gitsync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// kept lists the commits that a mirror keeps, as git sees them.
func kept(repo *gittest.Repo, dir string) []string {
	return strings.Fields(repo.Git("--git-dir="+dir, "for-each-ref", "--sort=objectname", "--format=%(objectname)", "refs/deployer/keep"))
}

func mustKeep(t *testing.T, m *gitsync.Mirror, commits ...string) {
	t.Helper()
	if err := m.Keep(commits...); err != nil {
		t.Fatal(err)
	}
}

func TestKeepSetsExactlyTheList(t *testing.T) {
	repo := gittest.NewRepo(t)
	ids := history(repo, "main", 3)
	m, dir := open(t, gitsync.Remote{URL: repo.URL()})
	for _, id := range ids {
		if _, err := m.FetchCommit(context.Background(), "main", id); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]string{{ids[0], ids[1]}, {ids[1], ids[2], ids[1]}, {}} {
		mustKeep(t, m, want...)
		slices.Sort(want)
		if got := kept(repo, dir); !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("kept %q, want %q", got, want)
		}
	}
}

func TestKeepPassesOverWhatTheMirrorHasNot(t *testing.T) {
	repo := gittest.NewRepo(t)
	ids := history(repo, "main", 2)
	m, dir := open(t, gitsync.Remote{URL: repo.URL()})
	mustKeep(t, m, ids[1])
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a mirror now: %v", err)
	}
	mustFetch(t, m, "main")
	mustKeep(t, m, ids[0], "", "main", ids[1][:12], "../../../../etc/passwd", ids[1], strings.Repeat("1", 40))
	if got := kept(repo, dir); !slices.Equal(got, ids[1:]) {
		t.Errorf("kept %q, want %q", got, ids[1:])
	}
}

func TestKeepingTheSameWritesNothing(t *testing.T) {
	repo := gittest.NewRepo(t)
	ids := history(repo, "main", 2)
	m, dir := open(t, gitsync.Remote{URL: repo.URL()})
	for _, id := range ids {
		if _, err := m.FetchCommit(context.Background(), "main", id); err != nil {
			t.Fatal(err)
		}
	}
	mustKeep(t, m, ids...)
	past := time.Now().Add(-time.Hour)
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return errors.Join(err, os.Chtimes(path, past, past))
	})
	if err != nil {
		t.Fatal(err)
	}
	mustKeep(t, m, ids[1], ids[0])
	mustKeep(t, gitsync.Open(dir, gitsync.Remote{URL: repo.URL()}), ids...)
	for _, path := range all {
		if info, err := os.Lstat(path); err != nil || info.ModTime().After(past.Add(time.Minute)) {
			t.Errorf("%s was written, or is gone: %v", path, err)
		}
	}
}

// What is kept outlives everything that can happen to it on the server, and
// what happens to the mirror then.
func TestKeptCommitsOutliveTheRemotes(t *testing.T) {
	t.Parallel()
	for name, upheaval := range map[string]func(t *testing.T, repo *gittest.Repo, m *gitsync.Mirror, dir string){
		"tidied up": func(t *testing.T, repo *gittest.Repo, m *gitsync.Mirror, _ string) {
			gitsync.SetMaxPacks(m, 2)
			for i := range 6 {
				repo.Commit("main", "change", gittest.Files{"b": gittest.Text(fmt.Sprint(i))})
				mustFetch(t, m, "main")
			}
		},
		"built anew": func(t *testing.T, _ *gittest.Repo, _ *gitsync.Mirror, dir string) {
			truncate(t, 0, files(t, filepath.Join(dir, "refs/heads"), "main")...)
		},
		"built anew with a pack lost": func(t *testing.T, repo *gittest.Repo, m *gitsync.Mirror, dir string) {
			old := files(t, dir, "*.pack")
			repo.Commit("main", "change", gittest.Files{"b": gittest.Text("other")})
			mustFetch(t, m, "main")
			for _, path := range files(t, dir, "*.pack") {
				if !slices.Contains(old, path) {
					truncate(t, 30, path)
				}
			}
		},
		"killed while a new one took its place": func(t *testing.T, _ *gittest.Repo, m *gitsync.Mirror, dir string) {
			m.Close()
			if err := errors.Join(os.Rename(dir, dir+".old"), os.MkdirAll(dir+".new-1/objects", 0o700)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1"), "conf/x": gittest.Text("x")})
			remote := gitsync.Remote{URL: gittest.Serve(t, repo).URL}
			m, dir := open(t, remote)
			mustFetch(t, m, "main")
			mustKeep(t, m, first)
			repo.CommitOn("", "main", "rewritten", gittest.Files{"a": gittest.Text("2"), "b": gittest.Text("b")})
			repo.Git("reflog", "expire", "--expire=now", "--all")
			repo.Git("gc", "--prune=now", "--quiet")
			mustFetch(t, m, "main")

			upheaval(t, repo, m, dir)
			for range 2 {
				m = gitsync.Open(dir, remote)
				wantFile(t, mustFetch(t, m, "main"), "a", "2")
				s, err := m.Snapshot(context.Background(), first)
				if err != nil {
					t.Fatal(err)
				}
				wantFile(t, s, "a", "1")
				wantFile(t, s, "conf/x", "x")
				m.Close()
			}
			repo.Git("--git-dir="+dir, "fsck", "--strict")
			if leftovers, _ := filepath.Glob(dir + ".*"); len(leftovers) > 0 {
				t.Errorf("left behind: %q", leftovers)
			}
		})
	}
}

// A mirror whose remote sends everything again for each push stays a few
// times as large as what it holds, and what is kept no more goes.
func TestGrowthIsBounded(t *testing.T) {
	t.Parallel()
	repo := gittest.NewRepo(t)
	m, dir := open(t, gitsync.Remote{URL: repo.URL()})
	gitsync.SetSpareRoom(m, 0)
	const pushes = 30
	var ids []string
	for i := range pushes {
		// Histories of their own share nothing that the client could offer.
		noise := gittest.Text(noise(100<<10, uint32(i+1)))
		ids = append(ids, repo.CommitOn("", "main", "anew", gittest.Files{"noise": noise}))
		mustFetch(t, m, "main")
		mustKeep(t, m, ids[max(0, i-1):]...)
		runtime.GC() // a snapshot that nobody has any more is not in use
		var size int64
		for _, path := range files(t, dir, "*") {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			size += info.Size()
		}
		if size > 1200<<10 {
			t.Errorf("%d KiB after %d pushes of 100", size>>10, i+1)
		}
	}
	for i, id := range ids {
		_, err := m.Snapshot(context.Background(), id)
		if i >= pushes-2 && err != nil {
			t.Errorf("commit %d: %v", i, err)
		}
		if i < pushes-12 && !errors.Is(err, gitsync.ErrNotFound) {
			t.Errorf("commit %d is still there: %v", i, err)
		}
	}
}

// noise is text that does not compress.
func noise(size int, seed uint32) string {
	out := make([]byte, 0, size)
	for len(out) < size {
		seed = seed*1664525 + 1013904223
		out = append(out, byte(seed>>24))
	}
	return string(out)
}
