package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func openForCommits(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// putCommits stores runs in several transactions, each with a commit of its
// own, and returns them, oldest first.
func putCommits(t *testing.T, s *Store, n int) (runs []*Run) {
	t.Helper()
	for len(runs) < n {
		err := s.Update(func(tx *Tx) error {
			for range min(100, n-len(runs)) {
				r := &Run{ID: NewRunID(), Stack: "app", Kind: KindDeploy, Status: RunSuperseded, CreatedAt: time.Now(), Commit: commitNo(len(runs))}
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

// wantCommits wants the index to have each run that is kept once, in the one
// part or the other, nothing else, and so many of them sorted.
func wantCommits(t *testing.T, s *Store, runs, sorted int) {
	t.Helper()
	err := s.View(func(tx *Tx) error {
		want, found := map[string]int{}, map[string]int{}
		all, _, err := tx.Runs(RunQuery{Limit: 1 << 20})
		for _, r := range all {
			want[string(key(startOf(r.Commit), r.ID))] = 1
		}
		n := 0
		eachPrefix(tx.tx, bucketByCommit, nil, func(k, _ []byte) bool { n++; found[string(k)]++; return true })
		eachPrefix(tx.tx, bucketNewCommits, nil, func(id, commit []byte) bool {
			found[string(key(string(commit), string(id)))]++
			return true
		})
		for k := range want {
			if found[k] != 1 {
				t.Errorf("%q is %d times in the index", k, found[k])
			}
		}
		if len(want) != runs || len(found) != runs || n != sorted {
			t.Errorf("%d runs, %d entries, %d of them sorted; want %d, and %d sorted", len(want), len(found), n, runs, sorted)
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

func TestOldCommitsAreSortedAndRunsThatGoLeaveNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s := openForCommits(t, path)
	runs := putCommits(t, s, newCommits+sortCommits-1)
	wantCommits(t, s, len(runs), 0)
	if err := s.Update(func(tx *Tx) error { // a transaction that fails sorts nothing
		r := &Run{ID: NewRunID(), Stack: "app", Status: RunQueued, Commit: "abc"}
		return errors.Join(tx.PutRun(r), ErrNotFound)
	}); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	wantCommits(t, s, len(runs), 0)
	runs = append(runs, putCommits(t, s, 1+2*sortCommits)...)
	wantCommits(t, s, len(runs), 3*sortCommits)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openForCommits(t, path)
	for _, i := range []int{600, 760, len(runs) - 600} {
		wantFound(t, s, runs[i])
	}
	if err := s.Update(func(tx *Tx) error { // one that is sorted, one that is not
		return tx.forget([]string{runs[3].ID, runs[len(runs)-1].ID})
	}); err != nil {
		t.Fatal(err)
	}
	wantCommits(t, s, len(runs)-2, 3*sortCommits-1)
	if _, err := s.Prune(t.Context(), Retention{Runs: newCommits + 10, Age: time.Hour}, time.Now()); err != nil {
		t.Fatal(err)
	}
	wantCommits(t, s, newCommits+10, 11)
	if _, err := s.Prune(t.Context(), Retention{Runs: 10, Age: time.Hour}, time.Now()); err != nil {
		t.Fatal(err)
	}
	wantCommits(t, s, 10, 0)
}

func TestRunWhoseCommitChangesIsFoundByTheNewOne(t *testing.T) {
	s := openForCommits(t, filepath.Join(t.TempDir(), "deployer.db"))
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
	runs := putCommits(t, s, newCommits+sortCommits)
	wantCommits(t, s, len(runs)+1, sortCommits-1) // the changed one counts twice
	put(early, "cccccccccccccccc")
	wantFound(t, s, early)
	wantCommits(t, s, len(runs)+1, sortCommits-2)
	put(early, "")
	if err := s.View(func(tx *Tx) error {
		entries := 0
		for _, bucket := range [][]byte{bucketByCommit, bucketNewCommits} {
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

// A database of schema 5 has all commits sorted, and stays so until more come.
func TestSortedCommitsOfAnOlderSchemaAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s := openForCommits(t, path)
	runs := putCommits(t, s, 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		errs := []error{tx.DeleteBucket(bucketNewCommits), tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint64(nil, 5))}
		for _, r := range runs {
			errs = append(errs, tx.Bucket(bucketByCommit).Put(key(startOf(r.Commit), r.ID), nil))
		}
		return errors.Join(errs...)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = openForCommits(t, path)
	wantCommits(t, s, 40, 40)
	wantFound(t, s, runs[7])
	putCommits(t, s, 1)
	wantCommits(t, s, 41, 40)
	if err := s.Update(func(tx *Tx) error { return tx.forget([]string{runs[7].ID}) }); err != nil {
		t.Fatal(err)
	}
	wantCommits(t, s, 40, 39)
}
