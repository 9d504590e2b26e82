package queue

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/state"
)

// page is a release whose web service mounts a file with this content.
func (b *bench) page(content string) gittest.Files {
	files := maps.Clone(b.app("shop", "app:1", ""))
	files["shop/page.html"] = gittest.Text(content)
	files["shop/compose.yaml"] = gittest.Text("services:\n  web:\n    image: app:1\n    volumes: [./page.html:/page.html:ro]\n")
	return files
}

// objects are the paths of the mounted files that are kept.
func (b *bench) objects() []string {
	b.t.Helper()
	paths, err := filepath.Glob(filepath.Join(b.stacks[0].Roots.Objects, "*", "page.html"))
	b.must(err)
	return paths
}

// object is the one that was added since before.
func (b *bench) object(before []string) string {
	b.t.Helper()
	for _, path := range b.objects() {
		if !slices.Contains(before, path) {
			return path
		}
	}
	b.t.Fatalf("no object was added to %v", before)
	return ""
}

func TestFilesOfReleasesThatCannotBeRunAgainAreRemoved(t *testing.T) {
	b := newBench(t).serve()
	var made []string
	for n := range pipeline.ReleasesKept + 3 {
		before := b.objects()
		b.deployed("page", b.page(fmt.Sprint(n)))
		made = append(made, b.object(before))
	}
	b.target.mounted = []string{made[0]} // by a container of somebody else
	for range 2 {                        // what the last runs materialised stays for one round
		_, err := b.queue.collect(t.Context())
		b.must(err)
	}
	for n, path := range made {
		_, err := os.Stat(path)
		// the live and last good release is one, beside the newest
		if want := n == 0 || n >= len(made)-pipeline.ReleasesKept-1; (err == nil) != want {
			t.Errorf("the file of release %d is there: %t, want %t", n, err == nil, want)
		}
	}
	b.rollback(state.RunTarget{})
}

// Bad pushes take nothing from the releases that a person can go back to.
func TestFailedReleasesPushNoGoodOneOut(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("good 1", b.app("shop", "app:good-1", ""))
	b.deployed("good 2", b.app("shop", "app:good-2", ""))
	for n := range pipeline.ReleasesKept + 1 {
		b.ends(b.push("bad", b.app("shop", fmt.Sprintf("app:broken-%d", n), "")), state.RunRolledBack)
	}
	b.stop() // images are given up after a run has ended
	kept := b.target.kept["shop"]
	for _, image := range []string{"app:good-1", "app:good-2"} {
		if !slices.Contains(kept, image) {
			t.Errorf("%s is given up for %v", image, kept)
		}
	}
	failed := slices.DeleteFunc(kept, func(s string) bool { return !strings.HasPrefix(s, "app:broken") })
	if want := pipeline.ReleasesKept - 1; len(failed) != want || slices.Contains(failed, "app:broken-1") {
		t.Errorf("of the failed ones %v are kept, want the newest %d", failed, want)
	}
	b.restart()
	if back := b.ends(b.rollback(state.RunTarget{}), state.RunSucceeded); back.Commit != first.Commit {
		t.Errorf("went back to %s, want %s", back.Commit, first.Commit)
	}
}

func TestNothingIsRemovedWhereAnEngineIsSilent(t *testing.T) {
	b := newBench(t).serve()
	for n := range pipeline.ReleasesKept + 3 {
		b.deployed("page", b.page(fmt.Sprint(n)))
	}
	b.target.deaf = errors.New("no answer")
	for range 2 {
		if removed, err := b.queue.collect(t.Context()); err == nil || len(removed) > 0 {
			t.Errorf("removed %v, %v", removed, err)
		}
	}
	if n := len(b.objects()); n != pipeline.ReleasesKept+3 {
		t.Errorf("%d files are left", n)
	}
}

// A mirror that is tidied up, or made anew, keeps the commits that the next
// push is compared with.
func TestCommitsThatRunAreKeptByTheMirror(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("one", b.app("shop", "app:1", ""))
	bad := b.ends(b.push("two", b.app("shop", "app:broken", "")), state.RunRolledBack)
	b.stop()
	refs := exec.Command("git", "-C", filepath.Join(b.dir, "mirror"), "for-each-ref", "--format=%(objectname) %(refname)")
	refs.Env = gittest.Env()
	kept, err := refs.Output()
	b.must(err)
	for what, commit := range map[string]string{"runs": first.Commit, "was judged last": bad.Commit} {
		if !regexp.MustCompile(commit + " refs/.*" + commit).Match(kept) {
			t.Errorf("the commit that %s is not kept:\n%s", what, kept)
		}
	}
}
