package server

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"deployer/state"
)

func TestDeliveryOnAFullDiskIsToComeAgainAndIsTakenOnceThereIsRoom(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("a disk to fill cannot be mounted, which needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	store, err := state.Open(filepath.Join(dir, "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Now()
	f := newFixture(t, func(o *Options) {
		o.Store, o.Intake = store, &storeIntake{store: store}
		o.Now = func() time.Time { return now }
	})
	sent := 0
	deliver := func() (commit string, a answer) {
		sent++
		commit = fmt.Sprintf("%040x", sent)
		return commit, f.deliver("infra", push(commit), func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", commit) })
	}
	ready := func(want int) {
		t.Helper()
		now = now.Add(time.Minute)
		f.call(open, http.MethodGet, "/readyz", "").expect(t, want)
	}

	acknowledged := map[string]bool{}
	commit, a := deliver()
	a.expect(t, http.StatusAccepted)
	acknowledged[commit] = true
	ready(http.StatusOK)

	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 20<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	for {
		commit, a := deliver() // the file has some pages yet
		if a.StatusCode == http.StatusServiceUnavailable {
			if a.Header.Get("Retry-After") == "" {
				t.Error("nothing says when to send it again")
			}
			break
		}
		a.expect(t, http.StatusAccepted)
		acknowledged[commit] = true
	}
	ready(http.StatusServiceUnavailable)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	ready(http.StatusOK)
	commit, a = deliver()
	a.expect(t, http.StatusAccepted)
	acknowledged[commit] = true
	runs, _, err := f.findRuns(state.RunQuery{Limit: 1000})
	if err != nil || len(runs) != len(acknowledged) {
		t.Fatalf("%d runs, %v, for %d deliveries that were acknowledged", len(runs), err, len(acknowledged))
	}
	for _, r := range runs {
		if !acknowledged[r.Commit] {
			t.Errorf("%s became a run and was not acknowledged", r.Commit)
		}
	}
}
