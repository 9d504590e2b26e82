package project

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDirTreeIsWhatACommitWouldHave compares with git itself.
func TestDirTreeIsWhatACommitWouldHave(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b.test"}, args...)...).Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	for name, mode := range map[string]fs.FileMode{"compose.yaml": 0o644, "conf/a.conf": 0o644, "conf/run": 0o755} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "conf", "link")); err != nil {
		t.Fatal(err)
	}
	git("add", "-A")
	git("commit", "-q", "-m", "first")
	tree, err := OpenDirTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, name := range []string{"compose.yaml", "conf", "conf/run"} {
		if got, err := tree.Hash(name); err != nil || got != git("rev-parse", "HEAD:"+name) {
			t.Errorf("%s has the hash %q, %v", name, got, err)
		}
	}
	if _, err := tree.Hash("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	if info, err := fs.Stat(tree, "conf/link"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("a symlink is %v, %v", info, err)
	}
	if text, err := fs.ReadFile(tree, "conf/link"); err == nil {
		t.Errorf("a symlink led out of the folder: %q", text)
	}
	var seen []string
	err = fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		seen = append(seen, name)
		return err
	})
	if want := []string{".", "compose.yaml", "conf", "conf/a.conf", "conf/link", "conf/run"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("it has %v, %v", seen, err)
	}
}

// A submodule that is checked out is a folder; one that is not is never taken
// for a path that is not there, which would be mounted as an empty folder.
func TestDirTreeKnowsSubmodules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	plain := t.TempDir() // the same files without a submodule
	if err := errors.Join(os.Mkdir(filepath.Join(plain, "lib"), 0o755), os.WriteFile(filepath.Join(plain, "lib", "app.conf"), []byte("x"), 0o644)); err != nil {
		t.Fatal(err)
	}
	write(".gitmodules", "[submodule \"lib\"]\n\tpath = conf/lib\n\turl = ../lib.git\n[submodule \"gone\"]\n\tpath = conf/gone\n\turl = ../gone.git\n")
	write("conf/lib/.git", "gitdir: ../../.git/modules/lib\n")
	write("conf/lib/app.conf", "x")
	write("compose.yaml", compose("volumes: [./conf/lib/app.conf:/app.conf:ro]"))
	for _, empty := range []string{"conf/gone", "conf/lib/in"} {
		if err := os.Mkdir(filepath.Join(dir, filepath.FromSlash(empty)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	open := func(dir string) *DirTree {
		t.Helper()
		tree, err := OpenDirTree(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tree.Close() })
		return tree
	}
	src := source(nil)
	load := func(volume string) (*Project, error) {
		write("compose.yaml", compose("volumes: ["+volume+"]"))
		src.Tree = open(dir)
		p, err := Load(t.Context(), src)
		if err == nil {
			err = p.CheckContent(src.Tree)
		}
		return p, err
	}
	p, err := load("./conf/lib:/lib:ro")
	if err != nil {
		t.Fatal(err)
	}
	if want, err := open(plain).Hash("lib"); err != nil || p.Mounts[0].Hash != want {
		t.Errorf("the folder has the hash %s, want %s (%v)", p.Mounts[0].Hash, want, err)
	}
	refused := func(volume, at string) {
		t.Helper()
		_, err := load(volume)
		var unfetched *UnfetchedError
		if !errors.As(err, &unfetched) || unfetched.Path != at || !strings.Contains(unfetched.Hint(), "git submodule update --init "+at) {
			t.Errorf("%s: %v, want %s to be refused", volume, err, at)
		}
	}
	refused("./conf/gone:/x:ro", "conf/gone")
	refused("./conf/gone/app.conf:/x:ro", "conf/gone")
	refused("./conf:/x:ro", "conf/gone")
	write("conf/lib/.gitmodules", "[submodule \"in\"]\n\tpath = in\n\turl = ../in.git\n")
	refused("./conf/lib/in/x:/x:ro", "conf/lib/in")
	write("conf/lib/app.conf", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
	if _, err := load("./conf/lib/app.conf:/x:ro"); err == nil || !strings.Contains(err.Error(), "conf/lib/app.conf is a pointer of Git LFS") {
		t.Errorf("a pointer in a submodule: %v", err)
	}
}
