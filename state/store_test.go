package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"deployer/state"
)

func TestSecondOpenOfTheSameFileIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	first, err := state.Open(path)
	must(t, err)
	if _, err := state.Open(path); !errors.Is(err, state.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("second open: %v, want ErrLocked with the path", err)
	}
	must(t, first.Close())
	again, err := state.Open(path)
	must(t, err)
	must(t, again.Close())
}

func TestDatabaseIsReadableByItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "deployer.db")
	s, err := state.Open(path)
	must(t, err)
	defer s.Close()
	for name, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o600} {
		info, err := os.Stat(name)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", name, got, want)
		}
	}
}

func TestWhatIsNoDatabaseIsRefusedByName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	must(t, os.WriteFile(path, []byte(strings.Repeat("no database\n", 2000)), 0o600))
	if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error with the path", err)
	}
}

// byHand makes a database file without the store.
func byHand(t *testing.T, fill func(*bolt.Tx) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "deployer.db")
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(fill))
	must(t, db.Close())
	return path
}

func schemaOf(t *testing.T, path string) (version uint64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bolt.Tx) error {
		version = binary.BigEndian.Uint64(tx.Bucket([]byte("meta")).Get([]byte("schema")))
		return nil
	}))
	return version
}

func TestNewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	path := byHand(t, func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		return meta.Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, 1000))
	})
	_, err := state.Open(path)
	if err == nil || !strings.Contains(err.Error(), "1000") || !strings.Contains(err.Error(), "newer deployer") {
		t.Fatalf("got %v, want the version and what to do", err)
	}
	if got := schemaOf(t, path); got != 1000 {
		t.Errorf("the schema is now %d", got)
	}
}

func TestVersionZeroFileIsMigratedWithItsContent(t *testing.T) {
	path := byHand(t, func(tx *bolt.Tx) error {
		stacks, err := tx.CreateBucket([]byte("stacks"))
		if err != nil {
			return err
		}
		return stacks.Put([]byte("shop"), []byte(`{"name":"shop","head":"abc"}`))
	})
	s, err := state.Open(path)
	must(t, err)
	stack := read(t, s, func(tx *state.Tx) (*state.Stack, error) { return tx.Stack("shop") })
	if stack.Head != "abc" {
		t.Errorf("the stack is now %+v", stack)
	}
	putRuns(t, s, "shop", 1) // the buckets that version 0 lacks are there
	must(t, s.Close())

	if got := schemaOf(t, path); got < 1 {
		t.Errorf("the schema is still %d", got)
	}
	again, err := state.Open(path)
	must(t, err)
	defer again.Close()
	if runs := read(t, again, (*state.Tx).ActiveRuns); len(runs) != 1 {
		t.Errorf("%d runs after the second open, want 1", len(runs))
	}
}

func TestFailedTransactionKeepsNothingAndTellsNobody(t *testing.T) {
	s := openStore(t)
	run := newRun("shop")
	changed, stop := s.Watch(run.ID)
	defer stop()
	failure := errors.New("no")
	err := s.Update(func(tx *state.Tx) error {
		must(t, tx.PutRun(run))
		must(t, tx.PutAudit(&state.AuditEntry{Action: "deploy"}))
		must(t, tx.PutDelivery("infra", "1", &state.Delivery{}))
		return failure
	})
	if !errors.Is(err, failure) {
		t.Fatalf("got %v, want what fn returned", err)
	}
	select {
	case <-changed:
		t.Error("a change was announced that is not kept")
	default:
	}
	view(t, s, func(tx *state.Tx) error {
		_, runErr := tx.Run(run.ID)
		_, deliveryErr := tx.Delivery("infra", "1")
		audit, err := tx.Audit(10)
		active, activeErr := tx.ActiveRuns()
		if !errors.Is(runErr, state.ErrNotFound) || !errors.Is(deliveryErr, state.ErrNotFound) || len(audit)+len(active) != 0 {
			t.Errorf("kept: run %v, delivery %v, %d audit entries, %d active runs", runErr, deliveryErr, len(audit), len(active))
		}
		return errors.Join(err, activeErr)
	})
}

func TestTransactionThatChangesNothingWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s, err := state.Open(path)
	must(t, err)
	defer s.Close()
	putRuns(t, s, "shop", 1)
	before, err := os.ReadFile(path)
	must(t, err)
	update(t, s, func(tx *state.Tx) error {
		_, err := tx.ActiveRuns()
		return err
	})
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file is another one")
	}
}

func TestPingWritesAndFailsOnAClosedStore(t *testing.T) {
	s, err := state.Open(filepath.Join(t.TempDir(), "deployer.db"))
	must(t, err)
	must(t, s.Ping())
	must(t, s.Close())
	if s.Ping() == nil {
		t.Error("a closed store answers a ping")
	}
}
