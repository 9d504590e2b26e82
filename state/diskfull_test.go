package state_test

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"deployer/state"
)

// smallDisk is a folder on a disk of its own, of so many bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a disk to fill cannot be mounted, which needs root: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fill takes all that is left of a disk and returns what gives it back.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	must(t, err)
	for _, piece := range []int{1 << 16, 1} { // down to the last byte
		for err == nil {
			_, err = f.Write(make([]byte, piece))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
	must(t, f.Close())
	return func() { must(t, os.Remove(path)) }
}

func TestFullDiskLosesNothingAndIsGoneOverOnceThereIsRoom(t *testing.T) {
	for name, row := range map[string]struct {
		full func(t *testing.T) (dir string, fill func() (empty func()))
		want error
	}{
		"the disk is full": {want: syscall.ENOSPC, full: func(t *testing.T) (string, func() func()) {
			dir := smallDisk(t, "16m")
			return dir, func() func() { return fill(t, dir) }
		}},
		"the file may not grow": {want: syscall.EFBIG, full: func(t *testing.T) (string, func() func()) {
			return t.TempDir(), func() func() { return limitFiles(t, 1<<20) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, fill := row.full(t)
			path := filepath.Join(dir, "deployer.db")
			s, err := state.Open(path)
			must(t, err)
			stored := putRuns(t, s, "shop", 200)
			empty := fill()
			var failed error
			for failed == nil { // pages that the file already has are written to
				var run *state.Run
				if run, failed = addRun(s); failed == nil {
					stored = append(stored, run.ID)
				}
			}
			if !strings.Contains(failed.Error(), row.want.Error()) {
				t.Errorf("a change ends with %v", failed)
			}
			if _, again := addRun(s); again == nil {
				t.Error("the next change is said to be stored")
			}
			wantRuns(t, s, stored)
			must(t, s.Close()) // a start finds the disk as full
			s, err = state.Open(path)
			must(t, err)
			wantRuns(t, s, stored)
			if _, again := addRun(s); again == nil {
				t.Error("a change after the start is said to be stored")
			}

			empty()
			must(t, s.Ping())
			stored = append(stored, putRuns(t, s, "shop", 2000)...)
			wantRuns(t, s, stored)
			must(t, s.Close())
			s, err = state.Open(path)
			must(t, err)
			wantRuns(t, s, stored)
			must(t, s.Close())
		})
	}
}

func TestPingSeesAFullDiskBeforeADeliveryDoes(t *testing.T) {
	dir := smallDisk(t, "16m")
	s, err := state.Open(filepath.Join(dir, "deployer.db"))
	must(t, err)
	defer s.Close()
	must(t, s.Ping())
	empty := fill(t, dir)
	if err := s.Ping(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the disk is full and a ping ends with %v", err)
	}
	empty()
	must(t, s.Ping())
}

// limitFiles makes files end at a size, of this process alone.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	signal.Ignore(syscall.SIGXFSZ)
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: before.Max}))
	lift = func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }
	t.Cleanup(lift)
	return lift
}

// addRun stores a run that needs a page of its own.
func addRun(s *state.Store) (*state.Run, error) {
	run := newRun("shop")
	run.Subject = strings.Repeat("x", 4000)
	return run, s.Update(func(tx *state.Tx) error { return tx.PutRun(run) })
}

// wantRuns wants exactly these runs of the stack shop to be kept.
func wantRuns(t *testing.T, s *state.Store, ids []string) {
	t.Helper()
	var got []string
	for q := (state.RunQuery{Stack: "shop", Limit: 500}); ; {
		page, next := query(t, s, q)
		got = append(got, page...)
		if next == "" {
			break
		}
		q.Before = next
	}
	if strings.Join(got, " ") != strings.Join(backwards(ids), " ") {
		t.Errorf("%d runs are kept, want %d: %v", len(got), len(ids), got)
	}
}

func TestDatabaseThatFoundNoRoomIsMadeOnceThereIsSome(t *testing.T) {
	dir := smallDisk(t, "16m")
	empty := fill(t, dir)
	path := filepath.Join(dir, "data", "deployer.db")
	if _, err := state.Open(path); err == nil {
		t.Fatal("a database was made on a full disk")
	}
	empty()
	s, err := state.Open(path)
	must(t, err)
	must(t, s.Close())
}
