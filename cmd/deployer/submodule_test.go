package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A submodule that is checked out is a folder to `check` and `plan`; one that
// is not is told with what brings it.
func TestSubmodulesOnTheDesk(t *testing.T) {
	dir, key, _ := committed(t)
	root := filepath.Dir(dir)
	lib := filepath.Join(t.TempDir(), "lib")
	gitIn(t, ".", "init", "--quiet", "--initial-branch=main", lib)
	put(t, filepath.Join(lib, "app.conf"), "one\n")
	gitIn(t, lib, "add", "-A")
	gitIn(t, lib, "commit", "--quiet", "-m", "one")
	allowed := func(dir string, args ...string) {
		gitIn(t, dir, append([]string{"-c", "protocol.file.allow=always"}, args...)...)
	}
	allowed(root, "submodule", "--quiet", "add", lib, "shop/lib")
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:1', environment: {P: \"${PASSWORD}\"}, volumes: ['./lib/app.conf:/app.conf:ro']}}\n")
	gitIn(t, root, "add", "-A")
	gitIn(t, root, "commit", "--quiet", "-m", "with a submodule")

	deployer(t, "", "check", dir, "--age-key", key).want(t, 0, "1 service, 1 mount")
	plan := func() string {
		t.Helper()
		o := deployer(t, "", "plan", dir+"/", "--age-key", key)
		o.want(t, 0)
		return o.out
	}
	if out := plan(); strings.Contains(out, "lib/app.conf") {
		t.Errorf("nothing has changed:\n%s", out)
	}
	put(t, filepath.Join(dir, "lib", "app.conf"), "two\n")
	if out := plan(); !strings.Contains(out, "lib/app.conf") {
		t.Errorf("a file of the submodule has changed:\n%s", out)
	}

	again := filepath.Join(t.TempDir(), "clone")
	gitIn(t, ".", "clone", "--quiet", root, again)
	deployer(t, "", "check", filepath.Join(again, "shop"), "--age-key", key).
		want(t, 1, "shop/lib is a submodule that is not checked out", "git submodule update --init shop/lib")
	if err := os.RemoveAll(filepath.Join(again, "shop", "lib")); err != nil {
		t.Fatal(err)
	}
	deployer(t, "", "check", filepath.Join(again, "shop"), "--age-key", key).want(t, 1, "not checked out")
	allowed(again, "submodule", "--quiet", "update", "--init", "shop/lib")
	deployer(t, "", "check", filepath.Join(again, "shop"), "--age-key", key).want(t, 0)
}
