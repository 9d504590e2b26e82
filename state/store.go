package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	db      *bolt.DB
	watches watches
}

// Open opens the database at path, makes it where it does not exist, and
// takes an older schema up to the present one. A second process that opens the
// same path gets ErrLocked.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	// Deliveries that arrive together share one fsync; a lone one does not wait long for company.
	db.MaxBatchSize = 16
	db.MaxBatchDelay = 200 * time.Microsecond

	if err := migrate(db); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Store{db: db}, nil
}

// Close waits for open transactions and closes the database.
func (s *Store) Close() error { return s.db.Close() }

// View runs fn on a consistent, unchanging picture of the database.
func (s *Store) View(fn func(*Tx) error) error {
	return s.db.View(func(tx *bolt.Tx) error { return fn(&Tx{tx: tx}) })
}

// Update runs fn in a transaction of its own. Where fn fails nothing is kept.
func (s *Store) Update(fn func(*Tx) error) error {
	t := &Tx{}
	err := s.db.Update(func(tx *bolt.Tx) error {
		*t = Tx{tx: tx}
		return fn(t)
	})
	s.announce(t, err)
	return err
}

// Batch is Update for many concurrent callers: their transactions share one
// fsync. fn may be called more than once and must set its results anew each time.
func (s *Store) Batch(fn func(*Tx) error) error {
	t := &Tx{}
	err := s.db.Batch(func(tx *bolt.Tx) error {
		*t = Tx{tx: tx}
		return fn(t)
	})
	s.announce(t, err)
	return err
}

func (s *Store) announce(t *Tx, err error) {
	if err != nil {
		return
	}
	for _, id := range t.touched {
		s.watches.notify(id)
	}
}

// Watch returns a channel that receives after each committed change to a run
// or its log. Signals coalesce: read the run to learn what changed. stop must be called.
func (s *Store) Watch(run string) (changed <-chan struct{}, stop func()) {
	return s.watches.add(run)
}

// Ping fails where the database cannot be written, as on a full disk.
func (s *Store) Ping() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put([]byte("ping"), []byte(time.Now().UTC().Format(time.RFC3339)))
	})
}
