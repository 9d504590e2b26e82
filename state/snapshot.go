package state

import (
	"io"

	bolt "go.etcd.io/bbolt"
)

// Snapshot writes the database as it is at one moment, while it goes on being
// used, to what begin returns for its length in bytes. What it writes can be
// opened. The database cannot shrink meanwhile.
func (s *Store) Snapshot(begin func(size int64) io.Writer) error {
	return s.db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(begin(tx.Size()))
		return err
	})
}
