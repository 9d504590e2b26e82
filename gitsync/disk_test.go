package gitsync_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// A smallDisk is a file system of two megabytes.
type smallDisk struct {
	t   *testing.T
	dir string
}

func newSmallDisk(t *testing.T) smallDisk {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("a small file system cannot be mounted: " + err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return smallDisk{t, dir}
}

// leave fills the disk up to a number of free pages of 4 KiB.
func (d smallDisk) leave(pages int) {
	d.t.Helper()
	filler := filepath.Join(d.dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	var size int64
	for page := make([]byte, 4096); ; size += 4096 {
		if _, err := f.Write(page); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
	if size -= int64(pages) * 4096; size < 0 {
		d.t.Fatalf("there are not even %d free pages", pages)
	}
	if err := f.Truncate(size); err != nil {
		d.t.Fatal(err)
	}
}

func (d smallDisk) free() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, "filler")); err != nil {
		d.t.Fatal(err)
	}
}

// However far a fetch comes before the disk is full, it says so, leaves
// nothing behind, harms nothing, and the next one works.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"clone", "change", "build anew"} {
		t.Run(name, func(t *testing.T) {
			disk := newSmallDisk(t)
			repo := gittest.NewRepo(t)
			remote := gitsync.Remote{URL: gittest.Serve(t, repo).URL}
			first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1"), "noise": gittest.Text(noise(40<<10, 1))})
			dir := filepath.Join(disk.dir, "mirrors", "infra.git")
			m := gitsync.Open(dir, remote)
			if name != "clone" {
				mustFetch(t, m, "main")
				mustKeep(t, m, first)
			}
			tip := repo.CommitOn("", "main", "second", gittest.Files{"a": gittest.Text("2"), "more": gittest.Text(noise(40<<10, 2))})
			if name == "build anew" {
				truncate(t, 0, filepath.Join(dir, "HEAD"))
			}

			failures := 0
			for pages := 0; ; pages++ {
				disk.leave(pages)
				s, err := m.Fetch(context.Background(), "main")
				disk.free()
				if err == nil {
					if s.Commit != tip {
						t.Errorf("got %s, want %s", s.Commit, tip)
					}
					break
				}
				failures++
				if !errors.Is(err, gitsync.ErrDiskFull) || gitsync.Retryable(err) ||
					!strings.Contains(err.Error(), disk.dir) || !strings.Contains(told(err), "free space there") {
					t.Errorf("%d free pages: %s", pages, told(err))
				}
				for _, pattern := range []string{dir + ".*", dir + "/objects/pack/incoming-*"} {
					if left, _ := filepath.Glob(pattern); len(left) > 0 {
						t.Errorf("%d free pages: left behind %q", pages, left)
					}
				}
				if name == "change" {
					old, err := gitsync.Open(dir, remote).Snapshot(context.Background(), first)
					if err != nil {
						t.Fatalf("%d free pages: %v", pages, err)
					}
					wantFile(t, old, "a", "1")
				}
			}
			t.Logf("%d fetches failed", failures)
			if failures < 10 {
				t.Errorf("only %d fetches failed: the disk was not full", failures)
			}
			for _, m := range []*gitsync.Mirror{m, gitsync.Open(dir, remote)} {
				wantFile(t, mustFetch(t, m, "main"), "a", "2")
				m.Close()
				if name == "clone" {
					continue
				}
				s, err := m.Snapshot(context.Background(), first)
				if err != nil {
					t.Fatal(err)
				}
				wantFile(t, s, "a", "1")
			}
			repo.Git("--git-dir="+dir, "fsck", "--strict")
		})
	}
}
