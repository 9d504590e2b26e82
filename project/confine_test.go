package project

import (
	"io/fs"
	"testing"

	"pgregory.net/rapid"
)

// Whatever a file says, what is read for it has a path of the tree.
func TestConfineNeverLeavesTheTree(t *testing.T) {
	part := rapid.SampledFrom([]string{"..", ".", "", "a", "b.c", "~", "C:", "\\", "\xff", "https:", "...", "git@x"})
	rapid.Check(t, func(t *rapid.T) {
		dir := rapid.SampledFrom([]string{".", "a", "a/b"}).Draw(t, "dir")
		var p string
		for _, s := range rapid.SliceOfN(part, 1, 8).Draw(t, "parts") {
			p += s + rapid.SampledFrom([]string{"/", ""}).Draw(t, "separator")
		}
		if got, err := confine(dir, p); err == nil && !fs.ValidPath(got) {
			t.Fatalf("confine(%q, %q) = %q", dir, p, got)
		}
	})
}
