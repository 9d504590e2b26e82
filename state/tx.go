package state

import (
	"bytes"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// A Tx reads and, inside Update, changes the nouns. Its methods are grouped by
// noun in the files that bear its name.
type Tx struct {
	tx      *bolt.Tx
	changed bool
	touched []string // runs to announce after the commit

	deliveries *deliveryIndex    // what is committed
	taken      map[digest]uint64 // what the transaction changes of it
}

// key joins parts that cannot hold a zero byte.
func key(parts ...string) []byte {
	size := len(parts)
	for _, p := range parts {
		size += len(p)
	}
	b := make([]byte, 0, size)
	for i, p := range parts {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, p...)
	}
	return b
}

func get[T any](tx *bolt.Tx, bucket, k []byte) (*T, error) {
	raw := tx.Bucket(bucket).Get(k)
	if raw == nil {
		return nil, ErrNotFound
	}
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("read %s %q from the database: %w", bucket, k, err)
	}
	return v, nil
}

func (t *Tx) putJSON(bucket, k []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store %s %q: %w", bucket, k, err)
	}
	return t.put(bucket, k, raw)
}

func (t *Tx) put(bucket, k, raw []byte) error {
	t.changed = true
	return t.tx.Bucket(bucket).Put(k, raw)
}

func (t *Tx) delete(bucket, k []byte) error {
	t.changed = true
	return t.tx.Bucket(bucket).Delete(k)
}

// eachPrefix calls fn for every key that starts with prefix, in order, until
// fn returns false.
func eachPrefix(tx *bolt.Tx, bucket, prefix []byte, fn func(k, v []byte) bool) {
	c := tx.Bucket(bucket).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if !fn(k, v) {
			return
		}
	}
}

func (t *Tx) deletePrefix(bucket, prefix []byte) error {
	var keys [][]byte
	eachPrefix(t.tx, bucket, prefix, func(k, _ []byte) bool {
		keys = append(keys, bytes.Clone(k))
		return true
	})
	for _, k := range keys {
		if err := t.delete(bucket, k); err != nil {
			return err
		}
	}
	return nil
}
