package state_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"deployer/state"
)

func putDelivery(id string, runs ...string) func(*state.Tx) error {
	return func(tx *state.Tx) error {
		return tx.PutDelivery("infra", id, &state.Delivery{At: noon, Runs: runs})
	}
}

// wantDelivery wants a delivery to be kept with these runs, or not to be.
func wantDelivery(t *testing.T, tx *state.Tx, id string, kept bool, runs ...string) {
	t.Helper()
	d, err := tx.Delivery("infra", id)
	switch {
	case !kept && !errors.Is(err, state.ErrNotFound):
		t.Errorf("delivery %s: %+v, %v, want ErrNotFound", id, d, err)
	case kept && (err != nil || !d.At.Equal(noon) || !slices.Equal(d.Runs, runs)):
		t.Errorf("delivery %s: %+v, %v, want the runs %v", id, d, err, runs)
	}
}

func TestDeliveryIsFoundWithWhatWasLastSaidOfIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deployer.db")
	s, err := state.Open(path)
	must(t, err)
	update(t, s, func(tx *state.Tx) error {
		must(t, errors.Join(putDelivery("a", "1")(tx), putDelivery("b")(tx)))
		wantDelivery(t, tx, "a", true, "1") // its own transaction finds it
		return nil
	})
	update(t, s, putDelivery("c", "3"))
	update(t, s, putDelivery("b", "2", "4"))
	for range 2 {
		view(t, s, func(tx *state.Tx) error {
			wantDelivery(t, tx, "a", true, "1")
			wantDelivery(t, tx, "b", true, "2", "4")
			wantDelivery(t, tx, "c", true, "3")
			wantDelivery(t, tx, "d", false)
			return nil
		})
		must(t, s.Close())
		s, err = state.Open(path)
		must(t, err)
	}
	must(t, s.Close())
	if n := recordsIn(t, path, "taken"); n != 3 {
		t.Errorf("%d records of 3 deliveries", n)
	}
}

func recordsIn(t *testing.T, path, bucket string) (n int) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket([]byte(bucket)); b != nil {
			n = b.Stats().KeyN
		}
		return nil
	}))
	return n
}

func TestDeliveryOfAFailedTransactionIsNew(t *testing.T) {
	s := openStore(t)
	update(t, s, putDelivery("a", "1"))
	failure := errors.New("no")
	if err := s.Update(func(tx *state.Tx) error {
		must(t, errors.Join(putDelivery("a", "2")(tx), putDelivery("b")(tx)))
		return failure
	}); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Update(func(tx *state.Tx) error {
			must(t, putDelivery("c")(tx))
			panic("on the way")
		})
	}()
	update(t, s, putDelivery("d", "4")) // gets the place that b and c had
	view(t, s, func(tx *state.Tx) error {
		wantDelivery(t, tx, "a", true, "1")
		wantDelivery(t, tx, "b", false)
		wantDelivery(t, tx, "c", false)
		wantDelivery(t, tx, "d", true, "4")
		return nil
	})
}

func TestPrunedDeliveryIsNewAgain(t *testing.T) {
	s := openStore(t)
	update(t, s, func(tx *state.Tx) error {
		old := &state.Delivery{At: noon.Add(-48 * time.Hour), Runs: []string{"1"}}
		return errors.Join(tx.PutDelivery("infra", "old", old), tx.PutDelivery("infra", "again", old), putDelivery("young", "2")(tx))
	})
	update(t, s, putDelivery("again", "3")) // at noon
	_, err := s.Prune(context.Background(), state.Retention{Runs: 10, Age: 24 * time.Hour}, noon)
	must(t, err)
	view(t, s, func(tx *state.Tx) error {
		wantDelivery(t, tx, "old", false)
		wantDelivery(t, tx, "again", true, "3")
		wantDelivery(t, tx, "young", true, "2")
		return nil
	})
	update(t, s, putDelivery("old", "4"))
	view(t, s, func(tx *state.Tx) error {
		wantDelivery(t, tx, "old", true, "4")
		return nil
	})
}

// Many senders announce the same deliveries at once and look for them, while
// old ones are forgotten: each delivery is new to exactly one.
func TestDeliveryIsNewToOneOfManyAtOnce(t *testing.T) {
	s := openStore(t)
	const senders, deliveries, old = 8, 50, 1000
	update(t, s, func(tx *state.Tx) (err error) {
		for i := 0; i < old && err == nil; i++ {
			err = tx.PutDelivery("infra", fmt.Sprint("old-", i), &state.Delivery{At: noon.Add(-2 * time.Hour)})
		}
		return err
	})
	var taken [deliveries]atomic.Int32
	var group sync.WaitGroup
	take := func(i int) error {
		id, fresh := fmt.Sprint("d-", i), false
		err := s.Update(func(tx *state.Tx) error {
			_, err := tx.Delivery("infra", id)
			if fresh = errors.Is(err, state.ErrNotFound); fresh {
				return putDelivery(id, id)(tx)
			}
			return err
		})
		if err == nil && fresh {
			taken[i].Add(1)
		}
		return err
	}
	for range senders {
		group.Go(func() {
			for i := range deliveries {
				if err := take(i); err != nil {
					t.Error(err)
				}
				err := s.View(func(tx *state.Tx) error { // what is said to be taken is there
					wantDelivery(t, tx, fmt.Sprint("d-", i), true, fmt.Sprint("d-", i))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() {
		if _, err := s.Prune(context.Background(), state.Retention{Runs: 10, Age: time.Hour}, noon); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	for i := range taken {
		if n := taken[i].Load(); n != 1 {
			t.Errorf("delivery %d was new to %d", i, n)
		}
	}
	view(t, s, func(tx *state.Tx) error {
		for i := range old {
			wantDelivery(t, tx, fmt.Sprint("old-", i), false)
		}
		return nil
	})
}

// byID makes a database one of a schema that had deliveries by their ids.
func byID(t *testing.T, path string, version uint64, n int) {
	t.Helper()
	s, err := state.Open(path)
	must(t, err)
	putRuns(t, s, "shop", 3)
	must(t, s.Close())
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		old, err := tx.CreateBucket([]byte("deliveries"))
		errs := []error{err, tx.DeleteBucket([]byte("taken")), tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, version))}
		for i := range n {
			errs = append(errs, old.Put(fmt.Appendf(nil, "infra\x00d-%d", i), fmt.Appendf(nil, `{"at":"2026-03-04T12:00:00Z","runs":["%d"]}`, i)))
		}
		return errors.Join(errs...)
	}))
	must(t, db.Close())
}

func TestDeliveriesOfOlderSchemasAreTakenOver(t *testing.T) {
	for _, version := range []uint64{2, 3, 4} {
		for _, n := range []int{0, 7, 25_000} {
			t.Run(fmt.Sprintf("%d with %d", version, n), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "deployer.db")
				byID(t, path, version, n)
				for range 2 { // the second time nothing is left to do
					s, err := state.Open(path)
					must(t, err)
					view(t, s, func(tx *state.Tx) error {
						for i := range n {
							wantDelivery(t, tx, fmt.Sprint("d-", i), true, fmt.Sprint(i))
						}
						wantDelivery(t, tx, fmt.Sprint("d-", n), false)
						return nil
					})
					must(t, s.Close())
				}
				if left := recordsIn(t, path, "deliveries"); left != 0 || recordsIn(t, path, "taken") != n || schemaOf(t, path) != 6 {
					t.Errorf("%d are left and %d taken over, of %d; schema %d", left, recordsIn(t, path, "taken"), n, schemaOf(t, path))
				}
			})
		}
	}
}
