package state

import (
	"io"

	bolt "go.etcd.io/bbolt"
)

// Snapshot writes the database as it is at one moment, while it goes on being
// used, and returns its length in bytes. What it writes can be opened.
func (s *Store) Snapshot(w io.Writer) (n int64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	return n, err
}
