package state

import "time"

// mostDeliveries bounds what the index of deliveries has in memory, to 14 MB.
// No provider sends one again after so many others.
const mostDeliveries = 1 << 18

// A Delivery is a webhook that was taken: a repeated one is recognised by it.
type Delivery struct {
	At   time.Time `json:"at"`
	Runs []string  `json:"runs,omitempty"`
}

// Delivery returns what became of a delivery, ErrNotFound where it is new. View
// does not find one either that is forgotten while it runs.
func (t *Tx) Delivery(repository, id string) (*Delivery, error) {
	d := digestOf(key(repository, id))
	sequence := t.findDelivery(d)
	if sequence == 0 {
		return nil, ErrNotFound
	}
	return get[Delivery](t.tx, bucketTaken, takenKey(sequence, d))
}

// PutDelivery remembers a delivery.
func (t *Tx) PutDelivery(repository, id string, delivery *Delivery) error {
	d := digestOf(key(repository, id))
	sequence := t.findDelivery(d)
	if sequence == 0 {
		next, err := t.tx.Bucket(bucketTaken).NextSequence()
		if err != nil {
			return err
		}
		if err := t.makeRoomFor(next); err != nil {
			return err
		}
		sequence = next
	}
	t.noteDelivery(d, sequence)
	t.tx.Bucket(bucketTaken).FillPercent = appended
	return t.putJSON(bucketTaken, takenKey(sequence, d), delivery)
}

// makeRoomFor forgets the delivery that is one too many with a new one.
func (t *Tx) makeRoomFor(sequence uint64) error {
	oldest, _ := t.tx.Bucket(bucketTaken).Cursor().First()
	if oldest == nil {
		return nil
	}
	if first, _ := readTakenKey(oldest); first+t.deliveries.most > sequence {
		return nil
	}
	return t.forgetDelivery(oldest)
}

// forgetDelivery removes the record with a key.
func (t *Tx) forgetDelivery(k []byte) error {
	_, d := readTakenKey(k)
	t.noteDelivery(d, 0)
	return t.delete(bucketTaken, k)
}

// findDelivery returns 0 for one that is new.
func (t *Tx) findDelivery(d digest) (sequence uint64) {
	if sequence, changed := t.taken[d]; changed {
		return sequence
	}
	return t.deliveries.find(d)
}

func (t *Tx) noteDelivery(d digest, sequence uint64) {
	if t.taken == nil {
		t.taken = map[digest]uint64{}
	}
	t.taken[d] = sequence
}
