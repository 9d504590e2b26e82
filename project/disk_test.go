package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// onSmallDisk moves a stack's roots to a file system of one megabyte.
func onSmallDisk(t *testing.T, src *Source) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a small file system cannot be mounted: " + err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	src.Roots = rootsIn(dir)
	return dir
}

// fill fills a disk up to a number of free pages of 4 KiB.
func fill(t *testing.T, filler string, pages int64) {
	t.Helper()
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var size int64
	for page := make([]byte, 4096); err == nil; size += 4096 {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(size - (pages+1)*4096); err != nil {
		t.Fatal(err)
	}
}

// mustBeWhole fails where something is at a mount's place and not all of it.
func mustBeWhole(t *testing.T, src Source, mounts []Mount) {
	t.Helper()
	for _, m := range mounts {
		if _, err := os.Lstat(m.Host); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if m.Kind == MountSecret {
			if data, err := os.ReadFile(m.Host); err != nil || string(data) != m.Content.Reveal() {
				t.Errorf("half of the secret at %s: %v", m.Target, err)
			}
			continue
		}
		want, err := src.Tree.Hash(m.Path)
		if err != nil {
			t.Fatal(err)
		}
		if hash, err := gitHash(m.Host, len(want)); err != nil || hash != want {
			t.Errorf("half of %s: %v", m.Path, err)
		}
	}
}

// mustBeTidy fails where content that was being written is left below dir.
func mustBeTidy(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if name := filepath.Base(p); strings.HasPrefix(name, scratchPrefix) || strings.HasPrefix(name, doomedPrefix) {
			t.Errorf("left behind %s", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// mixed are files for one mount of each kind with content.
func mixed(folder int) map[string]string {
	files := map[string]string{
		"compose.yaml": compose(`volumes: ["./a:/a:ro", "./w:/w", "./d:/d:ro"]`, "secrets: [s]") +
			"  kept: {image: x, volumes: [\"./seed:/seed\"], x-deployer: {files: keep}}\nsecrets: {s: {environment: S}}\n",
		"a": strings.Repeat("a", 20<<10), "w": strings.Repeat("w", 20<<10), "seed/x": strings.Repeat("x", 20<<10),
	}
	for i := range folder {
		files["d/sub/"+strings.Repeat("f", i+1)] = strings.Repeat("d", 5<<10)
	}
	return files
}

// However far it comes before the disk is full, Materialise says so, puts
// nothing half in its place, and works when there is room again.
func TestMaterialiseOnAFullDisk(t *testing.T) {
	src := source(mixed(8), "S="+strings.Repeat("s", 10<<10))
	dir := onSmallDisk(t, &src)
	p := mustLoad(t, src)
	filler := filepath.Join(dir, "filler")
	for pages := int64(0); ; pages++ {
		fill(t, filler, pages)
		err := Materialise(src.Tree, p.Mounts)
		if removeErr := os.Remove(filler); removeErr != nil {
			t.Fatal(removeErr)
		}
		mustBeWhole(t, src, p.Mounts)
		mustBeTidy(t, dir)
		if err == nil {
			if pages < 10 {
				t.Errorf("there was room with %d free pages", pages)
			}
			break
		}
		var full *FullDiskError
		if !errors.As(err, &full) || !strings.Contains(err.Error(), dir) || full.Hint() == "" {
			t.Fatalf("%d free pages: %v", pages, err)
		}
	}
	for _, m := range p.Mounts {
		if _, err := os.Stat(m.Host); err != nil {
			t.Error(err)
		}
	}
}
