package gitsync_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// desk is a clone with its submodules, as a person has it.
func desk(t *testing.T, infra *gittest.Repo) (dir string, git func(dir string, args ...string)) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "desk")
	git = func(dir string, args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "protocol.file.allow=always"}, args...)...)
		cmd.Env = gittest.Env()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git(".", "clone", "-q", infra.Dir, dir)
	git(dir, "submodule", "update", "-q", "--init", "conf/lib")
	return dir, git
}

func TestExportWritesSubmodulesThatAreCheckedOut(t *testing.T) {
	infra, lib, _ := withLib(t)
	dir, git := desk(t, infra)
	read := func(name string) string {
		t.Helper()
		into := t.TempDir()
		if _, err := gitsync.Export(dir, "HEAD", into); err != nil {
			t.Fatal(err)
		}
		if entries, err := os.ReadDir(filepath.Join(into, "vendor/big")); err != nil || len(entries) != 0 {
			t.Errorf("what is not checked out: %v, %v", entries, err)
		}
		text, err := os.ReadFile(filepath.Join(into, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := read("conf/lib/app.conf"); got != "one" {
		t.Errorf("it has %q", got)
	}
	next := lib.Commit("main", "second", gittest.Files{"app.conf": gittest.Text("two")})
	git(filepath.Join(dir, "conf/lib"), "fetch", "-q")
	git(filepath.Join(dir, "conf/lib"), "checkout", "-q", next)
	if got := read("conf/lib/app.conf"); got != "one" {
		t.Errorf("HEAD records the first, and it has %q", got)
	}
	bump(infra, strings.Repeat("a", 40))
	git(dir, "pull", "-q", "--no-recurse-submodules")
	if got := read("conf/lib/app.conf"); got != "" {
		t.Errorf("a commit that is not there has %q", got)
	}
}

// The server's known hosts count for submodules too, and no key goes to a
// server that no entry gives one for.
func TestSubmodulesOverSSHOfAnotherServer(t *testing.T) {
	infra, lib, _ := withLib(t)
	other := serveSSH(t)
	infra.Commit("main", "elsewhere", gittest.Files{".gitmodules": gittest.Modules(map[string]string{"conf/lib": "ssh://git@" + other.addr + lib.Dir})})
	own := serveSSH(t).remote(infra)
	own.Submodules.From = []string{"ssh://git@" + other.addr + "/"}
	enter := func(remote gitsync.Remote) error {
		m, _ := open(t, remote)
		_, err := mustFetch(t, m, "main").Open("conf/lib/app.conf")
		return err
	}
	if err := enter(own); !errors.Is(err, gitsync.ErrAuth) || !strings.Contains(told(err), "no ssh key is configured for it") {
		t.Errorf("without an entry: %s", told(err))
	}
	entry := other.remote(lib)
	own.Submodules.Lend = []gitsync.Remote{entry}
	if err := enter(own); err != nil {
		t.Errorf("with an entry: %v", err)
	}
	stranger, _ := newKey(t)
	entry.KnownHostsFile = other.knownHosts(stranger.PublicKey())
	own.Submodules.Lend = []gitsync.Remote{entry}
	if err := enter(own); !errors.Is(err, gitsync.ErrUntrusted) || !strings.Contains(err.Error(), "has changed to") {
		t.Errorf("with another host key: %v", err)
	}
}
