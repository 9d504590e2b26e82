package state

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestOldestDeliveriesMakeRoomForNewOnes(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.deliveries.most = 10
	put := func(from, to int) {
		err := s.Update(func(tx *Tx) error {
			for i := from; i < to; i++ {
				if err := tx.PutDelivery("infra", fmt.Sprint(i), &Delivery{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(0, 8)
	put(3, 4) // again: no room is needed
	put(8, 25)
	put(25, 26)
	err = s.View(func(tx *Tx) error {
		for i := range 26 {
			if _, err := tx.Delivery("infra", fmt.Sprint(i)); errors.Is(err, ErrNotFound) != (i < 16) {
				t.Errorf("delivery %d: %v", i, err)
			}
		}
		if n := tx.tx.Bucket(bucketTaken).Stats().KeyN; n != 10 || len(s.deliveries.sequences) != n {
			t.Errorf("%d records, %d in memory", n, len(s.deliveries.sequences))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeliveriesHalfTakenOverAreTakenOverAtTheNextStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = takeOverBatch + 5
	err = errors.Join(
		db.Update(makeSchema),
		db.Update(func(tx *bolt.Tx) error {
			old, err := tx.CreateBucket(bucketDeliveries)
			for i := 0; i < n && err == nil; i++ {
				err = old.Put(key("infra", fmt.Sprint(i)), []byte(`{"at":"2026-03-04T12:00:00Z"}`))
			}
			return err
		}),
		db.Update(takeOverSome), // and no more
		db.View(func(tx *bolt.Tx) error {
			if left := tx.Bucket(bucketDeliveries).Stats().KeyN; left != n-takeOverBatch {
				t.Errorf("%d are left", left)
			}
			return nil
		}),
		db.Close())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.View(func(tx *Tx) error {
		for i := range n {
			if _, err := tx.Delivery("infra", fmt.Sprint(i)); err != nil {
				return fmt.Errorf("delivery %d: %w", i, err)
			}
		}
		if tx.tx.Bucket(bucketDeliveries) != nil {
			t.Error("the old bucket is still there")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What the index has in memory is said in docs/performance.md.
func TestIndexTakesLittleMemoryForADelivery(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	err = s.Update(func(tx *Tx) error {
		for i := range n {
			d := &Delivery{At: time.Now(), Runs: []string{NewRunID()}}
			if err := tx.PutDelivery("infra", fmt.Sprint(i), d); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	before := heap()
	began := time.Now()
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	took, each := time.Since(began), float64(heap()-before)/n
	t.Logf("%.1f bytes of memory for a delivery; opened in %v", each, took)
	if len(s.deliveries.sequences) != n || each > 80 {
		t.Errorf("%d deliveries take %.1f bytes each", len(s.deliveries.sequences), each)
	}
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 { // what a pool holds goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
