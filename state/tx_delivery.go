package state

import "time"

// A Delivery is a webhook that was taken: a repeated one is recognised by it.
type Delivery struct {
	At   time.Time `json:"at"`
	Runs []string  `json:"runs,omitempty"`
}

// Delivery returns what became of a delivery, ErrNotFound where it is new.
func (t *Tx) Delivery(repository, id string) (*Delivery, error) {
	return get[Delivery](t.tx, bucketDeliveries, key(repository, id))
}

// PutDelivery remembers a delivery.
func (t *Tx) PutDelivery(repository, id string, d *Delivery) error {
	return t.putJSON(bucketDeliveries, key(repository, id), d)
}
