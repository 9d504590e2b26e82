package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// ErrNotFound is returned for a run, stack or release that is not kept.
var ErrNotFound = errors.New("not found")

// ErrLocked means that another process has the database open.
var ErrLocked = errors.New("the database is in use by another deployer")

// A Store is the bbolt database. Its methods may be called from any goroutine;
// every change is on disk when the call returns.
type Store struct {
	db         *bolt.DB
	watches    watches
	deliveries *deliveryIndex
	writing    sync.Mutex // held until deliveries has what was committed
}

// Open opens the database at path, makes it where it does not exist, and
// takes an older schema up to the present one. A second process that opens the
// same path gets ErrLocked.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	db, err := openFile(path)
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	s := &Store{}
	if s.db, err = migrate(db); err == nil {
		s.deliveries, err = readDeliveryIndex(s.db)
	}
	if err != nil {
		_ = s.db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func openFile(path string) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
}

// Close waits for open transactions and closes the database.
func (s *Store) Close() error { return s.db.Close() }

// View runs fn on a consistent, unchanging picture of the database.
func (s *Store) View(fn func(*Tx) error) error {
	return s.db.View(func(tx *bolt.Tx) error { return fn(&Tx{tx: tx, deliveries: s.deliveries}) })
}

// errUnchanged ends a transaction that changed nothing without writing.
var errUnchanged = errors.New("nothing was changed")

// Update runs fn in a transaction of its own. Where fn fails nothing is kept.
// One that changes nothing does not touch the disk.
func (s *Store) Update(fn func(*Tx) error) error {
	t := &Tx{deliveries: s.deliveries}
	err := s.commit(t, fn)
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil {
		return err
	}
	CrashPoint("update after")
	for _, id := range t.touched {
		s.watches.notify(id)
	}
	return nil
}

// commit returns errUnchanged where there is nothing to commit. No other
// transaction begins between the commit and what the index takes over of it,
// which bbolt's own OnCommit does not promise.
func (s *Store) commit(t *Tx, fn func(*Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.db.Update(func(tx *bolt.Tx) error {
		t.tx = tx
		if err := fn(t); err != nil {
			return err
		}
		if !t.changed {
			return errUnchanged
		}
		CrashPoint("update before")
		return nil
	})
	if err == nil {
		t.deliveries.apply(t.taken)
	}
	return err
}

// Watch returns a channel that receives after each committed change to a run
// or its log. Signals coalesce: read the run to learn what changed. stop must be called.
func (s *Store) Watch(run string) (changed <-chan struct{}, stop func()) {
	return s.watches.add(run)
}

// minFree is the room on its disk, in bytes, below which a database is taken
// for one that cannot be written: what little it changes may go into pages
// that it already has, while a delivery would find none.
const minFree = 4 << 20

// Ping fails where the database cannot be written, as on a full disk.
func (s *Store) Ping() error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(s.db.Path(), &disk); err != nil {
		return fmt.Errorf("look for room on the disk of the database: %w", err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < minFree {
		return fmt.Errorf("the disk of the database has %d kB left and should have %d: %w", free>>10, minFree>>10, syscall.ENOSPC)
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put([]byte("ping"), []byte(time.Now().UTC().Format(time.RFC3339)))
	})
}
