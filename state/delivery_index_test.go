package state

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// wantIndexOfDisk wants memory to have what a start would read from the disk.
func wantIndexOfDisk(t *testing.T, s *Store, want int) {
	t.Helper()
	disk, err := readDeliveryIndex(s.db)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(s.deliveries.sequences, disk.sequences) || len(disk.sequences) != want {
		t.Errorf("%d deliveries in memory, %d on disk, want %d", len(s.deliveries.sequences), len(disk.sequences), want)
	}
}

func TestIndexHasWhatIsOnDisk(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	put := func(end func() error, at time.Time, ids ...string) error {
		return s.Update(func(tx *Tx) error {
			for _, id := range ids {
				if err := tx.PutDelivery("infra", id, &Delivery{At: at}); err != nil {
					return err
				}
			}
			return end()
		})
	}
	fine := func() error { return nil }
	if err := errors.Join(put(fine, now.Add(-2*time.Hour), "a", "b"), put(fine, now, "b", "c")); err != nil {
		t.Fatal(err)
	}
	wantIndexOfDisk(t, s, 3)
	if put(func() error { return ErrNotFound }, now, "d") == nil {
		t.Error("a transaction that fails is said to be stored")
	}
	wantIndexOfDisk(t, s, 3)
	func() {
		defer func() { _ = recover() }()
		_ = put(func() error { panic("on the way") }, now, "e")
	}()
	wantIndexOfDisk(t, s, 3)
	if _, err := s.Prune(t.Context(), Retention{Runs: 1, Age: time.Hour}, now); err != nil {
		t.Fatal(err)
	}
	wantIndexOfDisk(t, s, 2)
}

// Between a commit and what the index has of it no other change can begin: it
// would take a repeated delivery for a new one.
func TestChangesWaitForTheIndex(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stored := make(chan error)
	go func() {
		stored <- s.Update(func(tx *Tx) error {
			err := tx.PutDelivery("infra", "a", &Delivery{})
			s.deliveries.mu.RLock() // the index is taken up late
			return err
		})
	}()
	for onDisk := 0; onDisk == 0; runtime.Gosched() {
		_ = s.db.View(func(tx *bolt.Tx) error {
			onDisk = tx.Bucket(bucketTaken).Stats().KeyN
			return nil
		})
	}
	if s.writing.TryLock() {
		t.Error("the next change could begin")
		s.writing.Unlock()
	}
	s.deliveries.mu.RUnlock()
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	wantIndexOfDisk(t, s, 1)
}

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
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantIndexOfDisk(t, s, 10)
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
