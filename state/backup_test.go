package state_test

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"deployer/state"
)

func TestBackupsAndHoldsAreKept(t *testing.T) {
	s := openStore(t)
	one := &state.Backup{ID: "shop_data-20260304_030000", Stack: "shop", Project: "shop", Volume: "shop_data", Run: "r-1", Why: "by schedule",
		At: noon, Archive: "/backups/shop_data-20260304_030000.tar.gz", Size: 5, Content: 7, Files: 2, SHA256: "ab"}
	other := &state.Backup{ID: "blog_data-20260304_030000", Stack: "blog"}
	hold := &state.Hold{Stack: "shop", Project: "shop", Run: "r-1", Stopped: true, Containers: []string{"b", "a"}}
	update(t, s, func(tx *state.Tx) error {
		return errors.Join(tx.PutBackup(one), tx.PutBackup(other), tx.PutHold(hold))
	})
	if d := cmp.Diff([]*state.Backup{one}, read(t, s, func(tx *state.Tx) ([]*state.Backup, error) { return tx.Backups("shop") })); d != "" {
		t.Error(d)
	}
	if all := read(t, s, func(tx *state.Tx) ([]*state.Backup, error) { return tx.Backups("") }); len(all) != 2 {
		t.Errorf("%d backups", len(all))
	}
	if d := cmp.Diff([]*state.Hold{hold}, read(t, s, (*state.Tx).Holds)); d != "" {
		t.Error(d)
	}
	update(t, s, func(tx *state.Tx) error { return errors.Join(tx.DeleteBackup(one.ID), tx.DeleteHold("shop")) })
	view(t, s, func(tx *state.Tx) error {
		if _, err := tx.Backup(one.ID); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("a deleted backup: %v", err)
		}
		if _, err := tx.Hold("shop"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("a deleted hold: %v", err)
		}
		return nil
	})
}

func TestSchemaTwoIsTakenUpWhereItLies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s, err := state.Open(path)
	must(t, err)
	run := putRun(t, s, newRun("shop"))
	must(t, s.Close())
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("backups")), tx.DeleteBucket([]byte("holds")),
			tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, 2)))
	}))
	must(t, db.Close())

	s, err = state.Open(path)
	must(t, err)
	update(t, s, func(tx *state.Tx) error { return tx.PutBackup(&state.Backup{ID: "b", Stack: "shop"}) })
	if got := read(t, s, func(tx *state.Tx) (*state.Run, error) { return tx.Run(run.ID) }); got.Stack != "shop" {
		t.Errorf("the run is %+v", got)
	}
	must(t, s.Close())
	if got := schemaOf(t, path); got != 6 {
		t.Errorf("the schema is %d", got)
	}
}
