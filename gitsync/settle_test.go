package gitsync_test

import (
	"crypto/rand"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

func modes(t *testing.T, paths []string) (settled, open int) {
	t.Helper()
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() == fs.FileMode(0o444) {
			settled++
		} else {
			open++
		}
	}
	return settled, open
}

// blank makes what is in the middle of a file zeros, as a machine that loses
// its power can leave a file that was not brought to the disk.
func blank(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[len(data)/3 : len(data)*2/3])
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAPowerCutLeavesOfTheLastFetchIsNoticed(t *testing.T) {
	repo := gittest.NewRepo(t)
	remote := gitsync.Remote{URL: repo.URL()}
	first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	var random strings.Builder // most of a pack, and nothing that a fetch reads
	for range 1000 {
		random.WriteString(rand.Text())
	}
	for _, ending := range []string{".pack", ".idx"} {
		m, dir := open(t, remote)
		repo.Reset("main", first)
		mustFetch(t, m, "main")
		second := repo.Commit("main", "second", gittest.Files{"a": gittest.Text(random.String())})
		mustFetch(t, m, "main")
		packs := files(t, dir, "*.pack")
		if settled, unsettled := modes(t, packs); settled != 1 || unsettled != 1 {
			t.Fatalf("after a clone and a fetch %d packs are settled and %d are not", settled, unsettled)
		}
		for _, path := range packs {
			if _, unsettled := modes(t, []string{path}); unsettled == 1 {
				blank(t, path[:len(path)-len(".pack")]+ending)
			}
		}
		again := gitsync.Open(dir, remote) // m is never closed: its process is gone
		s := mustFetch(t, again, "main")
		if s.Commit != second {
			t.Errorf("%s: got %s, want %s", ending, s.Commit, second)
		}
		wantFile(t, s, "a", random.String())
		repo.Git("--git-dir="+dir, "fsck", "--strict")
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatWasFetchedIsSettledWhenItIsKept(t *testing.T) {
	repo := gittest.NewRepo(t)
	m, dir := open(t, gitsync.Remote{URL: repo.URL()})
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	mustFetch(t, m, "main")
	second := repo.Commit("main", "second", gittest.Files{"a": gittest.Text("2")})
	mustFetch(t, m, "main")
	if err := m.Keep(second); err != nil {
		t.Fatal(err)
	}
	if _, unsettled := modes(t, files(t, dir, "*.pack")); unsettled > 0 {
		t.Errorf("%d packs are not settled", unsettled)
	}
}

// One that an older version wrote is read through once, not at each start.
func TestWhatWasReadThroughIsSettledToo(t *testing.T) {
	repo := gittest.NewRepo(t)
	remote := gitsync.Remote{URL: repo.URL()}
	m, dir := open(t, remote)
	first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	mustFetch(t, m, "main")
	for _, path := range files(t, dir, "*.pack") {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := gitsync.Open(dir, remote)
	defer again.Close()
	mustFetch(t, again, "main")
	if err := again.Keep(first); err != nil {
		t.Fatal(err)
	}
	if _, unsettled := modes(t, files(t, dir, "*.pack")); unsettled > 0 {
		t.Errorf("%d packs are not settled", unsettled)
	}
}

// A fetch that was undone leaves a pack that tidying up takes away before it
// was settled.
func TestWhatIsTidiedAwayNeedsNoSettling(t *testing.T) {
	repo := gittest.NewRepo(t)
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1"), "b": gittest.Text("b"), "c/d": gittest.Text("d")})
	mustFetch(t, m, "main")
	repo.Commit("aside", "second", gittest.Files{"a": gittest.Text("2")})
	mustFetch(t, m, "aside")
	runtime.GC() // nobody has its snapshot any more
	repo.Git("branch", "-D", "aside")
	gitsync.SetMaxPacks(m, 1)
	mustFetch(t, m, "main")
	if err := m.Keep(first); err != nil {
		t.Error(err)
	}
}
