package state

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// takeOverBatch is how many deliveries go in one transaction, so that memory
// has room for them.
const takeOverBatch = 10_000

// takeOverDeliveries moves the deliveries of schema 4 and before to where they
// are now. A process that dies on the way goes on with it at the next start.
func takeOverDeliveries(db *bolt.DB) error {
	for {
		var left bool
		err := db.View(func(tx *bolt.Tx) error {
			left = tx.Bucket(bucketDeliveries) != nil
			return nil
		})
		if err != nil || !left {
			return err
		}
		if err := db.Update(takeOverSome); err != nil {
			return err
		}
		CrashPoint("deliveries taken over")
	}
}

// takeOverSome moves a batch; after the last one the old bucket is gone.
func takeOverSome(tx *bolt.Tx) error {
	old := tx.Bucket(bucketDeliveries)
	t := &Tx{tx: tx}
	var moved [][]byte
	c := old.Cursor()
	for k, v := c.First(); k != nil && len(moved) < takeOverBatch; k, v = c.Next() {
		if err := copyDelivery(t, k, bytes.Clone(v)); err != nil {
			return err
		}
		moved = append(moved, bytes.Clone(k))
	}
	if len(moved) < takeOverBatch {
		return tx.DeleteBucket(bucketDeliveries)
	}
	for _, k := range moved {
		if err := old.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// copyDelivery stores a delivery of an older schema as this one does.
func copyDelivery(t *Tx, k, v []byte) error {
	taken := t.tx.Bucket(bucketTaken)
	sequence, err := taken.NextSequence()
	if err != nil {
		return err
	}
	taken.FillPercent = appended
	return t.put(bucketTaken, takenKey(sequence, digestOf(k)), v)
}
