package gitsync_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// fetched makes a repository of one commit and fetches it.
func fetched(t testing.TB, files gittest.Files) (*gitsync.Snapshot, *gittest.Repo) {
	t.Helper()
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", files)
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	return mustFetch(t, m, "main"), repo
}

func TestSnapshotIsAFileSystem(t *testing.T) {
	s, _ := fetched(t, gittest.Files{
		"compose.yaml": gittest.Text("services: {}"), "empty": gittest.Text(""),
		"bin/run.sh": gittest.Exec("#!/bin/sh\n"), "a/b/c/d": gittest.Text("deep"), "a-b": gittest.Text("sorts before a/"),
		"name with blanks/ä ö": gittest.Text("x"),
	})
	if err := fstest.TestFS(s, "compose.yaml", "empty", "bin/run.sh", "a/b/c/d", "a-b", "name with blanks/ä ö"); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]fs.FileMode{
		".": fs.ModeDir | 0o755, "bin": fs.ModeDir | 0o755, "bin/run.sh": 0o755, "compose.yaml": 0o644,
	} {
		if info, err := s.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info, err, want)
		}
	}
}

func TestPathsStayInTheSnapshot(t *testing.T) {
	s, _ := fetched(t, gittest.Files{
		"conf/app": gittest.Text("x"), "in": gittest.Symlink("conf/app"), "out": gittest.Symlink("../../etc/passwd"),
		"dir": gittest.Symlink("conf"), "abs": gittest.Symlink("/etc"), "sub": gittest.Submodule(strings.Repeat("1", 40)),
	})
	for path, want := range map[string]error{
		"..": fs.ErrInvalid, "../x": fs.ErrInvalid, "conf/../conf/app": fs.ErrInvalid, "/etc/passwd": fs.ErrInvalid,
		"./conf": fs.ErrInvalid, "conf/": fs.ErrInvalid, "": fs.ErrInvalid, "conf//app": fs.ErrInvalid,
		"gone": fs.ErrNotExist, "conf/gone": fs.ErrNotExist, "conf/app/below": fs.ErrNotExist,
		"in": gitsync.ErrSymlink, "out": gitsync.ErrSymlink, "dir": gitsync.ErrSymlink,
		"dir/app": gitsync.ErrSymlink, "abs/passwd": gitsync.ErrSymlink,
		"sub/x": gitsync.ErrSubmodule,
	} {
		_, err := s.Open(path)
		_, readErr := s.ReadFile(path)
		_, dirErr := s.ReadDir(path)
		for _, err := range []error{err, readErr, dirErr} {
			var pe *fs.PathError
			if !errors.Is(err, want) || !errors.As(err, &pe) || pe.Path != path {
				t.Errorf("%q: %v, want %v", path, err, want)
			}
		}
	}
	_, err := s.Open("sub")
	_, dirErr := s.ReadDir("sub")
	_, hashErr := s.Hash("sub")
	for _, err := range []error{err, dirErr, hashErr} {
		if !errors.Is(err, gitsync.ErrSubmodule) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("sub: %v, want ErrSubmodule", err)
		}
	}
	for path, want := range map[string]fs.FileMode{
		"in": fs.ModeSymlink, "out": fs.ModeSymlink, "dir": fs.ModeSymlink, "sub": fs.ModeDir | fs.ModeIrregular, "conf": fs.ModeDir, "conf/app": 0,
	} {
		if info, err := s.Stat(path); err != nil || info.Mode().Type() != want {
			t.Errorf("Stat(%s): %v, %v, want %v", path, info, err, want)
		}
	}
	if target, err := s.ReadLink("out"); target != "../../etc/passwd" || err != nil {
		t.Errorf("ReadLink = %q, %v", target, err)
	}
	if _, err := s.ReadLink("conf/app"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("ReadLink of a file: %v", err)
	}
}

// A tree object can hold any name; git itself makes none of these.
func TestTreesWithNamesThatLeadOutAreRefused(t *testing.T) {
	for _, name := range []string{"..", ".", "a/b", "../../x"} {
		t.Run(strings.ReplaceAll(name, "/", "|"), func(t *testing.T) {
			repo := gittest.NewRepo(t)
			repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
			blob := repo.Git("rev-parse", "main:a")
			raw := "100644 " + name + "\x00"
			for i := 0; i < len(blob); i += 2 {
				raw += string([]byte{unhex(blob[i])<<4 | unhex(blob[i+1])})
			}
			cmd := exec.Command("git", "-C", repo.Dir, "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
			cmd.Env, cmd.Stdin = gittest.Env(), strings.NewReader(raw)
			tree, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			repo.Reset("main", repo.Git("commit-tree", "-m", "hostile", strings.TrimSpace(string(tree))))
			m, _ := open(t, gitsync.Remote{URL: repo.URL()})
			if _, err := m.Fetch(context.Background(), "main"); err == nil || gitsync.Retryable(err) || !strings.Contains(err.Error(), "refused") {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}

func unhex(c byte) byte { return byte(strings.IndexByte("0123456789abcdef", c)) }

func TestHashIsGits(t *testing.T) {
	s, repo := fetched(t, gittest.Files{"a/b": gittest.Text("1"), "c": gittest.Exec("2"), "l": gittest.Symlink("c")})
	for path, rev := range map[string]string{".": "main^{tree}", "a": "main:a", "a/b": "main:a/b", "c": "main:c", "l": "main:l"} {
		if got, err := s.Hash(path); got != repo.Git("rev-parse", rev) || err != nil {
			t.Errorf("Hash(%s) = %s, %v", path, got, err)
		}
	}
	if _, err := s.Hash("gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestBigFiles(t *testing.T) {
	const limit = 1 << 20
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{
		"limit": gittest.Text(strings.Repeat("x", limit)),
		"above": gittest.Text(strings.Repeat("x", limit+1)),
	})
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	gitsync.SetMaxFile(m, limit)
	s := mustFetch(t, m, "main")
	if data, err := s.ReadFile("limit"); len(data) != limit || err != nil {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	for _, read := range []func() error{
		func() error { _, err := s.ReadFile("above"); return err },
		func() error { _, err := s.Open("above"); return err },
	} {
		if err := read(); !errors.Is(err, gitsync.ErrTooLarge) || gitsync.Retryable(err) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
	}
	if info, err := s.Stat("above"); err != nil || info.Size() != limit+1 {
		t.Errorf("Stat: %v, %v", info, err)
	}
}

func TestOpenFileReads(t *testing.T) {
	s, _ := fetched(t, gittest.Files{"a": gittest.Text("content")})
	f, err := s.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); string(data) != "content" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestDiff(t *testing.T) {
	ctx := context.Background()
	repo := gittest.NewRepo(t)
	repo.Commit("main", "before", gittest.Files{
		"same": gittest.Text("s"), "changed": gittest.Text("1"), "removed": gittest.Text("r"), "old-name": gittest.Text("moved"),
		"mode": gittest.Text("m"), "kind": gittest.Text("k"), "deep/er/a": gittest.Text("1"), "deep/er/b": gittest.Text("b"),
		"folder/x": gittest.Text("x"), "folder/y/z": gittest.Text("z"), "file": gittest.Text("f"), "a-b": gittest.Text("1"), "a/c": gittest.Text("1"),
	})
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	a := mustFetch(t, m, "main")
	repo.Commit("main", "after", gittest.Files{
		"changed": gittest.Text("2"), "removed": gittest.Removed(), "old-name": gittest.Removed(), "new-name": gittest.Text("moved"),
		"mode": gittest.Exec("m"), "kind": gittest.Symlink("k"), "deep/er/a": gittest.Text("2"), "added/n": gittest.Text("n"),
		"folder": gittest.Text("now a file"), "file/in": gittest.Text("now a folder"), "a-b": gittest.Text("2"), "a/c": gittest.Text("2"),
		"sub": gittest.Submodule(strings.Repeat("1", 40)),
	})
	b := mustFetch(t, m, "main")
	want := []string{"a-b", "a/c", "added/n", "changed", "deep/er/a", "file", "file/in", "folder", "folder/x", "folder/y/z",
		"kind", "mode", "new-name", "old-name", "removed", "sub/"}
	for name, pair := range map[string][2]*gitsync.Snapshot{"forward": {a, b}, "backward": {b, a}} {
		if got, err := gitsync.Diff(ctx, pair[0], pair[1]); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %q, %v\nwant %q", name, got, err, want)
		}
	}
	if got, err := gitsync.Diff(ctx, a, a); len(got) != 0 || err != nil {
		t.Errorf("a commit differs from itself: %q, %v", got, err)
	}
	if got, err := gitsync.Diff(ctx, nil, a); len(got) != 13 || err != nil {
		t.Errorf("all of a commit: %q, %v", got, err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := gitsync.Diff(canceled, a, b); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}

// Twenty objects that spell out ten to the twenty files.
func TestTreeBomb(t *testing.T) {
	ctx := context.Background()
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"f": gittest.Text("x")})
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	a := mustFetch(t, m, "main")
	line := "100644 blob " + repo.Git("rev-parse", "main:f")
	for range 20 {
		var in strings.Builder
		for _, name := range strings.Split("0123456789", "") {
			in.WriteString(line + "\t" + name + "\n")
		}
		cmd := exec.Command("git", "-C", repo.Dir, "mktree")
		cmd.Env, cmd.Stdin = gittest.Env(), strings.NewReader(in.String())
		tree, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		line = "040000 tree " + strings.TrimSpace(string(tree))
	}
	repo.Reset("main", repo.Git("commit-tree", "-m", "bomb", strings.Fields(line)[2]))
	b := mustFetch(t, m, "main")
	if _, err := gitsync.Diff(ctx, a, b); !errors.Is(err, gitsync.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}
