package compose

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMountedNamesWhatAnyContainerBinds(t *testing.T) {
	a, b := newRig(t), newSerialRig(t)
	dir := t.TempDir() + "/objects"
	text := strings.NewReplacer("DIR", dir).Replace(`
services:
  web: {image: IMAGE, volumes: ["DIR/shared:/a:ro", "DIR/web:/b", "data:/data"]}
  idle: {image: IMAGE, volumes: ["DIR/shared:/a:ro", "DIR/idle:/b"]}
volumes: {data: {}}
`)
	a.mustApply(a.resolve(text))
	if err := a.Stop(t.Context(), a.name, "idle"); err != nil {
		t.Fatal(err)
	}
	b.mustApply(b.resolve(strings.NewReplacer("DIR", dir).Replace(`services: {web: {image: IMAGE, volumes: ["DIR/other:/a"]}}`)))
	mounted := func() (mine []string) {
		t.Helper()
		all, err := a.Mounted(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSorted(all) {
			t.Errorf("not sorted: %v", all)
		}
		for _, path := range all {
			if filepath.Dir(path) == dir {
				mine = append(mine, filepath.Base(path))
			}
		}
		return mine
	}
	if got, want := mounted(), []string{"idle", "other", "shared", "web"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := a.Down(t.Context(), a.name); err != nil {
		t.Fatal(err)
	}
	if got, want := mounted(), []string{"other"}; !slices.Equal(got, want) {
		t.Errorf("after one is gone: got %v, want %v", got, want)
	}
}
