package state

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"
)

const (
	digestSize = 16
	takenSize  = 8 + digestSize // of a key
)

// A digest stands for a delivery of a repository: half of a SHA-256, of which
// nobody finds two that are the same.
type digest [digestSize]byte

// digestOf takes a repository and an id as key joins them.
func digestOf(delivery []byte) digest {
	sum := sha256.Sum256(delivery)
	return digest(sum[:digestSize])
}

// takenKey is where a delivery's record is. The ids that providers choose are
// random; records in the order in which they come lie in the same few pages.
func takenKey(sequence uint64, d digest) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, takenSize), sequence), d[:]...)
}

func readTakenKey(k []byte) (sequence uint64, d digest) {
	return binary.BigEndian.Uint64(k), digest(k[8:])
}

// A deliveryIndex leads from a delivery to its record. It is in memory alone,
// made of the keys when the database is opened, and never ahead of the disk: a
// transaction notes what it changes in its own and hands that over once it is
// committed.
type deliveryIndex struct {
	mu        sync.RWMutex
	sequences map[digest]uint64
	most      uint64 // records that are kept; older ones make room for new ones
}

func readDeliveryIndex(db *bolt.DB) (*deliveryIndex, error) {
	x := &deliveryIndex{sequences: map[digest]uint64{}, most: mostDeliveries}
	return x, db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketTaken).ForEach(func(k, _ []byte) error {
			if len(k) != takenSize {
				return fmt.Errorf("read %s from the database: a key %x of %d bytes", bucketTaken, k, len(k))
			}
			sequence, d := readTakenKey(k)
			x.sequences[d] = sequence
			return nil
		})
	})
}

// find returns 0 for what is not there.
func (x *deliveryIndex) find(d digest) (sequence uint64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.sequences[d]
}

// apply takes over what a transaction has changed; a sequence of 0 is gone.
func (x *deliveryIndex) apply(changes map[digest]uint64) {
	if len(changes) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for d, sequence := range changes {
		if sequence == 0 {
			delete(x.sequences, d)
		} else {
			x.sequences[d] = sequence
		}
	}
}
