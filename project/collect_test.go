package project

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// collect collects twice: what was provided since the last collection stays
// in the first.
func collect(t *testing.T, roots Roots, used ...string) []string {
	t.Helper()
	var removed []string
	for range 2 {
		gone, err := Collect([]Roots{roots}, used)
		if err != nil {
			t.Fatal(err)
		}
		removed = append(removed, gone...)
	}
	slices.Sort(removed)
	return removed
}

func hosts(mounts []Mount) []string {
	var out []string
	for _, m := range mounts {
		out = append(out, m.Host)
	}
	return out
}

func mustMaterialise(t *testing.T, tree Tree, mounts []Mount) {
	t.Helper()
	if err := Materialise(tree, mounts); err != nil {
		t.Fatal(err)
	}
}

// twoReleases materialises two releases that differ in one mount of each kind.
func twoReleases(t *testing.T) (roots Roots, old, next *Project) {
	t.Helper()
	files := map[string]string{
		"compose.yaml": compose(`volumes: ["./a:/a:ro", "./w:/w", "./d:/d:ro", "./data:/data"]`, "secrets: [s]") + "secrets: {s: {environment: S}}\n",
		"a":            "1", "w": "1", "d/sub/x": "1",
	}
	src, old := world(t, files, "S=1")
	mustMaterialise(t, src.Tree, old.Mounts)
	files["a"], files["w"] = "2", "2"
	src.Tree, src.Env = tree(files), env("S=2")
	next = mustLoad(t, src)
	mustMaterialise(t, src.Tree, next.Mounts)
	return src.Roots, old, next
}

func TestCollectRemovesWhatNothingUses(t *testing.T) {
	roots, old, next := twoReleases(t)
	removed := collect(t, roots, hosts(next.Mounts)...)
	for _, m := range next.Mounts {
		if _, err := os.Stat(m.Host); err != nil {
			t.Errorf("in use, and gone: %v", err)
		}
	}
	gone := []string{at(t, old, "/a").place(), at(t, old, "/w").place(), at(t, old, "/run/secrets/s").place()}
	slices.Sort(gone)
	if !slices.Equal(removed, gone) {
		t.Errorf("removed %q, want %q", removed, gone)
	}
	for _, p := range gone {
		if _, err := os.Lstat(p); err == nil {
			t.Errorf("%s is still there", p)
		}
	}
	if removed := collect(t, roots); len(removed) != 4 {
		t.Errorf("then removed %q", removed)
	}
	for _, dir := range []string{roots.Objects, roots.Secrets, roots.Copies} {
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	}
	if _, err := os.Stat(at(t, next, "/data").Host); err != nil {
		t.Errorf("data is gone: %v", err)
	}
	if _, err := Collect([]Roots{{}}, nil); err != nil {
		t.Errorf("without roots: %v", err)
	}
}

// What a container mounts can lie deep in an object, or be named by a path
// that leads through a symlink.
func TestCollectLeavesWhatContainersMount(t *testing.T) {
	roots, _, next := twoReleases(t)
	alias := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink(filepath.Dir(roots.Objects), alias); err != nil {
		t.Fatal(err)
	}
	object, dir := at(t, next, "/a"), at(t, next, "/d")
	aliased := filepath.Join(alias, "objects", filepath.Base(object.place()), "a")
	collect(t, roots, filepath.Join(dir.Host, "sub", "x"), aliased, "/", filepath.Dir(roots.Objects), "")
	for _, m := range []Mount{object, dir} {
		if _, err := os.Stat(m.Host); err != nil {
			t.Errorf("mounted, and gone: %v", err)
		}
	}
	if left, err := os.ReadDir(roots.Objects); err != nil || len(left) != 2 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A mistaken root must not cost anything that was not materialised.
func TestCollectRemovesOnlyWhatMaterialiseNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"etc", "file", "deadbeef", "0123456789abcdef0123456789abcdef.yaml"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	removed := collect(t, Roots{Objects: dir, Secrets: dir, Copies: dir})
	left, err := os.ReadDir(dir)
	if err != nil || len(removed) > 0 || len(left) != 4 {
		t.Errorf("removed %q, left %v, %v", removed, left, err)
	}
}

// A run that is provided with something between the moment when its caller
// has looked what is used and the collection keeps it.
func TestCollectLeavesWhatWasProvidedLately(t *testing.T) {
	roots, old, next := twoReleases(t)
	used := hosts(next.Mounts)
	collect(t, roots, append(used, hosts(old.Mounts)...)...)
	again := []Mount{at(t, old, "/a"), at(t, old, "/w"), at(t, old, "/run/secrets/s")}
	mustMaterialise(t, tree(map[string]string{"a": "1", "w": "1"}), again) // a stat each
	if removed, err := Collect([]Roots{roots}, used); err != nil || len(removed) > 0 {
		t.Fatalf("removed %q, %v", removed, err)
	}
	for _, m := range again {
		if _, err := os.Stat(m.Host); err != nil {
			t.Errorf("just provided, and gone: %v", err)
		}
	}
	if removed, err := Collect([]Roots{roots}, used); err != nil || len(removed) != 3 {
		t.Errorf("removed %q in the collection after, %v", removed, err)
	}
}

func TestCollectTakesWhatACrashHasLeft(t *testing.T) {
	roots, _, next := twoReleases(t)
	kept := at(t, next, "/a").place()
	left := []string{
		filepath.Join(kept, scratchPrefix+"1", "a"),
		filepath.Join(at(t, next, "/w").place(), scratchPrefix+"2", "w"),
		filepath.Join(roots.Secrets, scratchPrefix+"3"),
		filepath.Join(roots.Objects, doomedPrefix+filepath.Base(kept), "a"),
	}
	for _, p := range left {
		if err := os.MkdirAll(p, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, 0o500); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Collect([]Roots{roots}, hosts(next.Mounts)); err != nil {
		t.Fatal(err)
	}
	for _, p := range left {
		if _, err := os.Lstat(filepath.Dir(p)); err == nil && filepath.Dir(p) != roots.Secrets {
			t.Errorf("%s is still there", p)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(roots.Secrets, ".*")); len(found) > 0 {
		t.Errorf("left in the secrets: %q", found)
	}
}

// Runs materialise while a collection that knows nothing of them is under way,
// and find what they were given when it has ended.
func TestCollectBesideRuns(t *testing.T) {
	files := map[string]string{}
	var volumes string
	for i := range 12 {
		name := fmt.Sprintf("f%d", i)
		files[name+"/x"] = name
		volumes += fmt.Sprintf("%q, ", "./"+name+":/"+name+":ro")
	}
	files["compose.yaml"] = compose("volumes: [" + volumes + "]")
	src, p := world(t, files)

	for turn := range 60 {
		provided, collected := make(chan struct{}), make(chan struct{})
		var runs sync.WaitGroup
		for run := range 3 {
			runs.Go(func() {
				m := p.Mounts[(turn+run*4)%12:][:1]
				err := Materialise(src.Tree, m)
				if run == 0 {
					close(provided)
				}
				<-collected
				if err != nil {
					t.Errorf("turn %d: %v", turn, err)
				} else if data, err := os.ReadFile(filepath.Join(m[0].Host, "x")); err != nil || string(data) != m[0].Path {
					t.Errorf("turn %d: %s holds %q, %v", turn, m[0].Path, data, err)
				}
			})
		}
		<-provided // by one; the others are at it
		if _, err := Collect([]Roots{src.Roots, src.Roots}, nil); err != nil {
			t.Errorf("turn %d: %v", turn, err)
		}
		close(collected)
		runs.Wait()
	}
}
