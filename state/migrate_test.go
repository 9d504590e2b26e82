package state_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"deployer/state"
)

// schemaOne writes a database as the first version of the schema has it.
func schemaOne(t *testing.T, path string, runs []*state.Run) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		bucket := map[string]*bolt.Bucket{}
		for _, name := range []string{"meta", "runs", "runs_by_stack", "runs_active", "stacks", "releases", "sealed", "live", "logs", "deliveries", "audit"} {
			b, err := tx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			bucket[name] = b
		}
		sequence, err := bucket["audit"].NextSequence()
		errs := []error{
			err,
			bucket["meta"].Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, 1)),
			bucket["stacks"].Put([]byte("shop"), []byte(`{"name":"shop","head":"abc"}`)),
			bucket["sealed"].Put([]byte("shop\x00f00d"), []byte{0, 1, 2, 0xff}),
			bucket["deliveries"].Put([]byte("infra\x00d-1"), []byte(`{"at":"2026-03-04T12:00:00Z","runs":["r-1"]}`)),
			bucket["audit"].Put(binary.BigEndian.AppendUint64(nil, sequence), []byte(`{"at":"2026-03-04T12:00:00Z","actor":"ops","action":"lock"}`)),
		}
		for _, r := range runs {
			text, err := json.Marshal(r)
			errs = append(errs, err,
				bucket["runs"].Put([]byte(r.ID), text),
				bucket["runs_by_stack"].Put([]byte(r.Stack+"\x00"+r.ID), nil))
			if !r.Status.Terminal() {
				errs = append(errs, bucket["runs_active"].Put([]byte(r.ID), nil))
			}
		}
		return errors.Join(errs...)
	}))
	must(t, db.Close())
}

// someRuns are runs of every status, with much in them, oldest first.
func someRuns(n int) (runs []*state.Run) {
	for i := range n {
		r := wholeRun()
		r.Stack = []string{"shop", "blog"}[i%2]
		r.Status = everyStatus[i%len(everyStatus)]
		r.Commit = fmt.Sprintf("%04d000000000000", i)
		for n := range 10 {
			r.Stages[0].Steps = append(r.Stages[0].Steps, state.Step{Name: "http", Status: state.StepPassed, DurationMS: int64(n),
				Message: fmt.Sprintf("GET https://app-%d.example.com/ answered 200 in %d ms", i, n)})
		}
		runs = append(runs, r)
	}
	return runs
}

func TestSchemaOneIsTakenUpWithAllThatIsInIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	runs := someRuns(1000)
	schemaOne(t, path, runs)
	before, err := os.Stat(path)
	must(t, err)
	s, err := state.Open(path)
	must(t, err)
	wantMigrated(t, s, runs)
	must(t, s.Close())

	if got := schemaOf(t, path); got != 6 {
		t.Errorf("the schema is %d", got)
	}
	after, err := os.Stat(path)
	must(t, err)
	if after.Size() > before.Size()*3/4 || after.Mode().Perm() != 0o600 {
		t.Errorf("%d bytes became %d, with mode %04o", before.Size(), after.Size(), after.Mode().Perm())
	}
	s, err = state.Open(path)
	must(t, err)
	wantMigrated(t, s, runs)
	must(t, s.Close())
}

// wantMigrated wants a store to hold what schemaOne has written.
func wantMigrated(t *testing.T, s *state.Store, runs []*state.Run) {
	t.Helper()
	var active []string
	for _, want := range runs {
		got := read(t, s, func(tx *state.Tx) (*state.Run, error) { return tx.Run(want.ID) })
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("a run (-stored +read):\n%s", d)
		}
		if !want.Status.Terminal() {
			active = append(active, want.ID)
		}
	}
	if got := idsOf(read(t, s, (*state.Tx).ActiveRuns)); !slices.Equal(got, active) {
		t.Errorf("%d runs are active, want %d", len(got), len(active))
	}
	for _, q := range []state.RunQuery{{}, {Stack: "shop"}, {Status: state.RunFailed}, {Actor: "ops", Stack: "blog"}, {Commit: "0007"}} {
		q.Limit = len(runs)
		want := []string{}
		for _, r := range slices.Backward(runs) {
			if selects(q, r) {
				want = append(want, r.ID)
			}
		}
		if got, next := query(t, s, q); !slices.Equal(got, want) || next != "" {
			t.Errorf("%+v selects %d runs, want %d", q, len(got), len(want))
		}
	}
	view(t, s, func(tx *state.Tx) error {
		stack, stackErr := tx.Stack("shop")
		sealed, sealedErr := tx.Sealed("shop", "f00d")
		delivery, deliveryErr := tx.Delivery("infra", "d-1")
		audit, err := tx.Audit(10)
		if err := errors.Join(stackErr, sealedErr, deliveryErr, err); err != nil {
			return err
		}
		if stack.Head != "abc" || !bytes.Equal(sealed, []byte{0, 1, 2, 0xff}) || delivery.Runs[0] != "r-1" || audit[len(audit)-1].Actor != "ops" {
			t.Errorf("stack %+v, recipe %v, delivery %+v, audit %+v", stack, sealed, delivery, audit)
		}
		return nil
	})
	update(t, s, func(tx *state.Tx) error { return tx.PutAudit(&state.AuditEntry{At: noon, Action: "later"}) })
	if got := read(t, s, func(tx *state.Tx) ([]*state.AuditEntry, error) { return tx.Audit(2) }); len(got) != 2 || got[0].Action != "later" {
		t.Errorf("a new entry of the audit trail stands in the place of an old one: %+v", got)
	}
}

func TestWhatAKilledMigrationLeftIsInNobodysWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	runs := someRuns(20)
	schemaOne(t, path, runs)
	must(t, os.WriteFile(path+".new", []byte("half of a database"), 0o600))
	s, err := state.Open(path)
	must(t, err)
	wantMigrated(t, s, runs)
	must(t, s.Close())
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half is still there: %v", err)
	}
}

func TestDatabaseThatAnotherTookThePlaceOfIsNotWrittenTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	runs := someRuns(20)
	schemaOne(t, path, runs)
	old := filepath.Join(filepath.Dir(path), "old.db") // as a process has it that waits for the lock
	must(t, os.Link(path, old))
	s, err := state.Open(path)
	must(t, err)
	defer s.Close()
	if _, err := state.Open(old); !errors.Is(err, state.ErrLocked) {
		t.Errorf("the file that was replaced opens with %v", err)
	}
	wantMigrated(t, s, runs)
}

func TestMigrationWithoutRoomLeavesTheOldDatabase(t *testing.T) {
	dir := smallDisk(t, "16m")
	path := filepath.Join(dir, "deployer.db")
	runs := someRuns(200)
	schemaOne(t, path, runs)
	empty := fill(t, dir)
	if _, err := state.Open(path); err == nil {
		t.Fatal("it was migrated without room")
	}
	if got := schemaOf(t, path); got != 1 {
		t.Errorf("the schema is %d", got)
	}
	empty()
	s, err := state.Open(path)
	must(t, err)
	wantMigrated(t, s, runs)
	must(t, s.Close())
}

func TestFileThatIsMostlyFreeIsMadeSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s, err := state.Open(path)
	must(t, err)
	kept := putRuns(t, s, "shop", 100)
	large := make([]byte, 80<<20)
	_, err = rand.Read(large)
	must(t, err)
	update(t, s, func(tx *state.Tx) error { return tx.PutRelease(wholeRelease("shop"), large) })
	update(t, s, func(tx *state.Tx) error { return tx.DeleteRelease("shop", "f00d") })
	must(t, s.Close())
	s, err = state.Open(path)
	must(t, err)
	defer s.Close()
	wantRuns(t, s, kept)
	info, err := os.Stat(path)
	must(t, err)
	if info.Size() > 1<<20 {
		t.Errorf("the file still has %d bytes", info.Size())
	}
}
