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
