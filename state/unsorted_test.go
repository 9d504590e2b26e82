package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// putMany stores superseded pushes in several transactions, each with a commit
// of its own, and returns them, oldest first.
func putMany(t *testing.T, s *Store, n int) (runs []*Run) {
	t.Helper()
	for len(runs) < n {
		err := s.Update(func(tx *Tx) error {
			for range min(100, n-len(runs)) {
				i := len(runs)
				r := &Run{ID: NewRunID(), Stack: "app", Kind: KindDeploy, Status: RunSuperseded, CreatedAt: time.Now(), Commit: commitNo(i), Trigger: Trigger{Actor: []string{"ada", "bob"}[i%2]}}
				runs = append(runs, r)
				if err := tx.PutRun(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return runs
}

// commitNo is the commit of the n-th run; they come in no order.
func commitNo(n int) string { return fmt.Sprintf("%08x%032d", uint32(n)*2654435761, n) }

// wantIndexed wants the indexes to have each run that is kept once, in the one
// part or the other, nothing else, and so many runs sorted.
func wantIndexed(t *testing.T, s *Store, runs, sorted int) {
	t.Helper()
	err := s.View(func(tx *Tx) error {
		want, found := map[string]int{}, map[string]int{}
		all, _, err := tx.Runs(RunQuery{Limit: 1 << 20})
		for _, r := range all {
			for _, e := range sortedEntries([]byte(r.ID), indexedOf(r).origin()) {
				want[string(e.bucket)+" "+string(e.key)] = 1
			}
		}
		commits := 0
		for _, bucket := range [][]byte{bucketByCommit, bucketByActor} {
			eachPrefix(tx.tx, bucket, nil, func(k, _ []byte) bool {
				found[string(bucket)+" "+string(k)]++
				if bytes.Equal(bucket, bucketByCommit) {
					commits++
				}
				return true
			})
		}
		eachPrefix(tx.tx, bucketUnsorted, nil, func(id, origin []byte) bool {
			for _, e := range sortedEntries(id, origin) {
				found[string(e.bucket)+" "+string(e.key)]++
			}
			return true
		})
		if !maps.Equal(want, found) {
			t.Errorf("the indexes have %d entries and not the %d that they should, each once", len(found), len(want))
		}
		if len(all) != runs || commits != sorted {
			t.Errorf("%d runs, %d of them sorted; want %d and %d", len(all), commits, runs, sorted)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantFound wants a run alone to have its commit, or a start of it.
func wantFound(t *testing.T, s *Store, r *Run) {
	t.Helper()
	for _, start := range []string{r.Commit[:8], r.Commit[:12], r.Commit} {
		err := s.View(func(tx *Tx) error {
			found, _, err := tx.Runs(RunQuery{Commit: start})
			if err == nil && (len(found) != 1 || found[0].ID != r.ID) {
				t.Errorf("%d runs have a commit %s", len(found), start)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldRunsAreSortedAndThoseThatGoLeaveNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s := openAt(t, path)
	runs := putMany(t, s, keptUnsorted+sortEvery-1)
	wantIndexed(t, s, len(runs), 0)
	if err := s.Update(func(tx *Tx) error { // a transaction that fails sorts nothing
		r := &Run{ID: NewRunID(), Stack: "app", Status: RunQueued, Commit: "abc"}
		return errors.Join(tx.PutRun(r), ErrNotFound)
	}); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	wantIndexed(t, s, len(runs), 0)
	runs = append(runs, putMany(t, s, 1+2*sortEvery)...)
	wantIndexed(t, s, len(runs), 3*sortEvery)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path)
	for _, i := range []int{600, 760, len(runs) - 600} {
		wantFound(t, s, runs[i])
	}
	if err := s.Update(func(tx *Tx) error { // one that is sorted, one that is not
		return tx.forget([]string{runs[3].ID, runs[len(runs)-1].ID})
	}); err != nil {
		t.Fatal(err)
	}
	wantIndexed(t, s, len(runs)-2, 3*sortEvery-1)
	if err := s.Update(func(tx *Tx) error { return tx.TrimSuperseded("app", len(runs)-10) }); err != nil {
		t.Fatal(err)
	}
	wantIndexed(t, s, len(runs)-10, 3*sortEvery-9)
	if _, err := s.Prune(t.Context(), Retention{Runs: keptUnsorted + 10, Age: time.Hour}, time.Now()); err != nil {
		t.Fatal(err)
	}
	wantIndexed(t, s, keptUnsorted+10, 11)
	for range 10 {
		if err := s.Update(func(tx *Tx) error { return tx.TrimSuperseded("app", 10) }); err != nil {
			t.Fatal(err)
		}
	}
	wantIndexed(t, s, 10, 0)
}

func TestRunWhoseCommitChangesIsFoundByTheNewOne(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "deployer.db"))
	put := func(r *Run, commit string) {
		t.Helper()
		r.Commit = commit
		if err := s.Update(func(tx *Tx) error { return tx.PutRun(r) }); err != nil {
			t.Fatal(err)
		}
	}
	early := &Run{ID: NewRunID(), Stack: "app", Kind: KindDeploy, Status: RunQueued}
	put(early, "aaaaaaaaaaaaaaaa")
	put(early, "bbbbbbbbbbbbbbbb")
	wantFound(t, s, early)
	runs := putMany(t, s, keptUnsorted+sortEvery)
	wantIndexed(t, s, len(runs)+1, sortEvery-1) // the changed one counts twice
	put(early, "cccccccccccccccc")
	wantFound(t, s, early)
	wantIndexed(t, s, len(runs)+1, sortEvery-2)
	put(early, "")
	if err := s.View(func(tx *Tx) error {
		entries := 0
		for _, bucket := range [][]byte{bucketByCommit, bucketUnsorted} {
			eachPrefix(tx.tx, bucket, nil, func(k, v []byte) bool {
				if bytes.Contains(k, []byte(early.ID)) {
					entries++
				}
				return true
			})
		}
		if entries != 0 {
			t.Errorf("a run without a commit has %d entries", entries)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A database of schema 5 has all runs sorted, and stays so until more come.
func TestSortedRunsOfAnOlderSchemaAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s := openAt(t, path)
	runs := putMany(t, s, 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		errs := []error{tx.DeleteBucket(bucketUnsorted), tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint64(nil, 5))}
		for _, r := range runs {
			errs = append(errs, tx.Bucket(bucketByCommit).Put(key(startOf(r.Commit), r.ID), nil), tx.Bucket(bucketByActor).Put(key(r.Trigger.Actor, r.ID), nil))
		}
		return errors.Join(errs...)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path)
	wantIndexed(t, s, 40, 40)
	wantFound(t, s, runs[7])
	putMany(t, s, 1)
	wantIndexed(t, s, 41, 40)
	if err := s.Update(func(tx *Tx) error { return tx.forget([]string{runs[7].ID}) }); err != nil {
		t.Fatal(err)
	}
	wantIndexed(t, s, 40, 39)
}
