package state

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestPruneKeepsWhatIsHeld(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	now := time.Now().UTC()
	var ids []string
	add := func(stack string, kind RunKind, status RunStatus, age time.Duration) string {
		r := &Run{ID: NewRunID(), Stack: stack, Kind: kind, Status: status, CreatedAt: now.Add(-age)}
		release := &Release{ID: "release-of-" + r.ID, Stack: stack, Run: r.ID, At: now.Add(-age)}
		err := s.Update(func(tx *Tx) error {
			return errors.Join(tx.PutRun(r), tx.PutRelease(release, []byte("sealed")), tx.WentLive(release),
				tx.PutDelivery("repo", r.ID, &Delivery{At: r.CreatedAt}), tx.PutAudit(&AuditEntry{At: r.CreatedAt}))
		})
		if err == nil {
			err = s.Update(func(tx *Tx) error { return tx.AppendLog(r.ID, 0, []byte("log of "+r.ID)) })
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
		return r.ID
	}
	const day = 24 * time.Hour
	good := add("app", KindDeploy, RunSucceeded, 400*day)
	bad := add("app", KindDeploy, RunRolledBack, 390*day)
	waits := add("app", KindDeploy, RunWaiting, 380*day)
	old := add("app", KindDeploy, RunFailed, 370*day)
	rollback := add("app", KindRollback, RunSucceeded, 3*day)
	surplus := add("app", KindDeploy, RunFailed, 2*day)
	newest := []string{add("app", KindDeploy, RunFailed, day), add("app", KindDeploy, RunUnchanged, time.Hour)}
	neighbour := add("app2", KindDeploy, RunFailed, 2*day)
	err = s.Update(func(tx *Tx) error {
		return tx.ChangeStack("app", func(st *Stack) {
			st.Live, st.LastGood = &Release{ID: "release-of-" + good, Run: good}, &Release{ID: "release-of-" + good, Run: good}
			st.Quarantined = []Quarantine{{Release: "release-of-" + bad, Run: bad}}
		})
	})
	if err != nil {
		t.Fatal(err)
	}

	removed, err := s.Prune(t.Context(), Retention{Runs: 2, Age: 365 * day}, now)
	if err != nil || removed != 2 {
		t.Fatalf("%d runs went, %v", removed, err)
	}
	gone := map[string]bool{old: true, surplus: true}
	for _, id := range ids {
		err := s.View(func(tx *Tx) error { _, err := tx.Run(id); return err })
		if errors.Is(err, ErrNotFound) != gone[id] {
			t.Errorf("run %s: %v", id, err)
		}
		log, err := s.ReadLog(id, 0, 1<<20)
		if err != nil || (len(log) == 0) != gone[id] {
			t.Errorf("log of %s: %q, %v", id, log, err)
		}
	}
	_ = s.View(func(tx *Tx) error {
		for _, id := range []string{good, bad, waits, rollback, newest[0], newest[1]} {
			if _, err := tx.Sealed("app", "release-of-"+id); err != nil {
				t.Errorf("release of %s: %v", id, err)
			}
		}
		for _, id := range []string{old, surplus} {
			if _, err := tx.Release("app", "release-of-"+id); !errors.Is(err, ErrNotFound) {
				t.Errorf("release of %s: %v", id, err)
			}
		}
		if _, err := tx.Release("app2", "release-of-"+neighbour); err != nil {
			t.Errorf("the neighbour's release: %v", err)
		}
		if _, err := tx.Delivery("repo", old); !errors.Is(err, ErrNotFound) {
			t.Errorf("an old delivery: %v", err)
		}
		if _, err := tx.Delivery("repo", surplus); err != nil {
			t.Errorf("a young delivery: %v", err)
		}
		if runs, _, _ := tx.Runs(RunQuery{Stack: "app"}); len(runs) != 6 {
			t.Errorf("%d runs are listed", len(runs))
		}
		return nil
	})
	if again, err := s.Prune(t.Context(), Retention{Runs: 2, Age: 365 * day}, now); err != nil || again != 0 {
		t.Errorf("a second time %d went, %v", again, err)
	}
}

func TestTrimKeepsTheNewestSupersededPushesAndAllElse(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var superseded, others []string
	add := func(stack string, kind RunKind, status RunStatus) string {
		r := &Run{ID: NewRunID(), Stack: stack, Kind: kind, Status: status, Commit: "abc", Trigger: Trigger{Actor: "ada"}}
		if err := s.Update(func(tx *Tx) error { return tx.PutRun(r) }); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	for range 10 {
		superseded = append(superseded, add("app", KindDeploy, RunSuperseded))
		others = append(others, add("app", KindDeploy, RunFailed), add("app", KindDeploy, RunQueued),
			add("app", KindRollback, RunSuperseded), add("app2", KindDeploy, RunSuperseded))
	}
	if err := s.Update(func(tx *Tx) error { return tx.AppendLog(superseded[0], 0, []byte("log")) }); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time there is nothing left to do
		if err := s.Update(func(tx *Tx) error { return tx.TrimSuperseded("app", 4) }); err != nil {
			t.Fatal(err)
		}
		err := s.View(func(tx *Tx) error {
			for i, id := range append(superseded, others...) {
				if _, err := tx.Run(id); errors.Is(err, ErrNotFound) != (i < 6) {
					t.Errorf("run %d: %v", i, err)
				}
			}
			for _, bucket := range [][]byte{bucketByStack, bucketUnsorted} {
				if n := tx.tx.Bucket(bucket).Stats().KeyN; n != 44 {
					t.Errorf("%s has %d entries for 44 runs", bucket, n)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.LogSize(superseded[0]); n != 0 || err != nil {
		t.Errorf("the log of a run that is gone has %d bytes, %v", n, err)
	}
}
