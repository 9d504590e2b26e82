package gitsync_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// packs are what git makes of a repository with long chains of deltas.
func packsOf(t *testing.T) map[string][]byte {
	t.Helper()
	repo := gittest.NewRepo(t)
	var lines strings.Builder
	for i := range 400 {
		fmt.Fprintf(&lines, "line %d\n", i)
	}
	for i := range 24 { // each version differs in a line
		text := strings.Replace(lines.String(), fmt.Sprintf("line %d\n", i*16), fmt.Sprintf("changed %d\n", i), 1)
		repo.Commit("main", fmt.Sprint(i), gittest.Files{"file": gittest.Text(text), fmt.Sprintf("d/%d", i): gittest.Text(noise(100, uint32(i)))})
	}
	all := repo.Git("rev-list", "--objects", "--all", "--no-object-names")
	found := map[string][]byte{}
	for name, args := range map[string][]string{
		"offsets": {"--delta-base-offset"}, "hashes": {"--no-delta-base-offset"}, "whole": {"--window=0"},
	} {
		cmd := exec.Command("git", append([]string{"-C", repo.Dir, "pack-objects", "-q", "--stdout", "--no-reuse-delta"}, args...)...)
		cmd.Stdin, cmd.Env = strings.NewReader(all+"\n"), gittest.Env()
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		found[name] = out
	}
	return found
}

func TestIndexIsTheOneThatGitMakes(t *testing.T) {
	t.Parallel()
	for name, pack := range packsOf(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := gitsync.ReceivePack(dir, bytes.NewReader(pack)); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(files(t, dir, "pack-*.idx")[0])
			if err != nil {
				t.Fatal(err)
			}
			path := files(t, dir, "pack-*.pack")[0]
			if out, err := exec.Command("git", "index-pack", "-o", filepath.Join(dir, "gits.idx"), path).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want, err := os.ReadFile(filepath.Join(dir, "gits.idx"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the index has %d bytes and is not git's of %d", len(got), len(want))
			}
		})
	}
}

func TestBrokenPacksAreRefused(t *testing.T) {
	t.Parallel()
	pack := packsOf(t)["offsets"]
	refused := func(what string, broken []byte) {
		t.Helper()
		dir := t.TempDir()
		err := gitsync.ReceivePack(dir, bytes.NewReader(broken))
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left behind %v", what, left)
		}
	}
	for n := 1; n < len(pack); n += 97 {
		refused(fmt.Sprint("cut at ", n), pack[:n])
		broken := bytes.Clone(pack)
		broken[n] ^= 0x10
		refused(fmt.Sprint("changed at ", n), broken)
	}
	refused("more than a pack", append(bytes.Clone(pack), 0))
	refused("text", []byte("<!DOCTYPE html><p>please log in"))
}
