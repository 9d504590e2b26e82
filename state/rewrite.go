package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

const (
	copyBatch = 4 << 20  // bytes of records that go in one transaction of a copy
	muchFree  = 64 << 20 // bytes of a file that may be free, whatever its size
)

// wasteful reports whether hardly anything is left in a file that was once
// large. Its free pages are listed anew on disk with every change.
func wasteful(db *bolt.DB) bool {
	tx, err := db.Begin(true) // the end of a change is what makes bbolt count
	if err != nil {
		return false
	}
	size := tx.Size()
	_ = tx.Rollback()
	free := int64(db.Stats().FreePageN) * int64(db.Info().PageSize)
	return free > muchFree && free > size/4*3
}

// rewrite puts a database of the present schema, and no larger than it need
// be, in the place of db, and returns it. It is made beside the old one, which
// stays whole until the new one is on disk: a process that dies on the way
// leaves the one or the other. The memory that it takes does not grow with the
// database; room for the new one has to be there.
func rewrite(db *bolt.DB) (*bolt.DB, error) {
	path := db.Path()
	beside := path + ".new"
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return db, err
	}
	next, err := openFile(beside)
	if err != nil {
		return db, err
	}
	next.NoSync = true // what is on disk counts from the rename on
	err = errors.Join(copyAll(next, db), next.Sync())
	next.NoSync = false
	if err != nil {
		return db, fmt.Errorf("make the database anew as %s, for which there must be room on its disk: %w", beside, errors.Join(err, next.Close(), os.Remove(beside)))
	}
	CrashPoint("migrate before")
	if err := replace(path, beside); err != nil {
		return db, errors.Join(err, next.Close())
	}
	CrashPoint("migrate after")
	// Whoever waits for the old file to be free must not go on with it.
	err = errors.Join(db.Update(func(tx *bolt.Tx) error { return putVersion(tx, schemaReplaced) }), db.Close())
	return next, err
}

func replace(path, beside string) error {
	if err := os.Rename(beside, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func copyAll(to, from *bolt.DB) error {
	if err := to.Update(makeSchema); err != nil {
		return err
	}
	return from.View(func(old *bolt.Tx) error {
		for _, name := range kept {
			if err := copyBucket(to, old, name); err != nil {
				return err
			}
		}
		if err := copyRecords(to, old.Bucket(bucketDeliveries), copyDelivery); err != nil {
			return err
		}
		return copyRecords(to, old.Bucket(bucketRuns), copyRun)
	})
}

func copyBucket(to *bolt.DB, old *bolt.Tx, name []byte) error {
	from := old.Bucket(name)
	if from == nil {
		return nil
	}
	if err := to.Update(func(tx *bolt.Tx) error { return tx.Bucket(name).SetSequence(from.Sequence()) }); err != nil {
		return err
	}
	return copyRecords(to, from, func(t *Tx, k, v []byte) error {
		t.tx.Bucket(name).FillPercent = appended
		return t.put(name, k, v)
	})
}

// copyRun stores a run of any schema as this one does.
func copyRun(t *Tx, k, v []byte) error {
	r := new(indexed)
	if err := decodeRun(k, v, r); err != nil {
		return err
	}
	text, err := unpackRun(v)
	if err != nil {
		return err
	}
	return t.putRun(nil, r, text)
}

// copyRecords hands every record of a bucket to put, many in one transaction
// but never more than memory has room for.
func copyRecords(to *bolt.DB, from *bolt.Bucket, put func(t *Tx, k, v []byte) error) error {
	if from == nil {
		return nil
	}
	c := from.Cursor()
	k, v := c.First()
	for k != nil {
		err := to.Update(func(tx *bolt.Tx) (err error) {
			t := &Tx{tx: tx}
			for size := 0; k != nil && size < copyBatch && err == nil; k, v = c.Next() {
				size += len(k) + len(v)
				err = put(t, k, v)
			}
			return err
		})
		if err != nil {
			return err
		}
		CrashPoint("migrate copy")
	}
	return nil
}
