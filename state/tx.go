package state

import (
	"bytes"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// A Tx reads and, inside Update and Batch, changes the nouns. Its methods are
// grouped by noun in the files that bear its name.
type Tx struct {
	tx      *bolt.Tx
	touched []string // runs to announce after the commit
}

// key joins parts that cannot hold a zero byte.
func key(parts ...string) []byte {
	var b bytes.Buffer
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(0)
		}
		b.WriteString(p)
	}
	return b.Bytes()
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

func put(tx *bolt.Tx, bucket, k []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store %s %q: %w", bucket, k, err)
	}
	return tx.Bucket(bucket).Put(k, raw)
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

func deletePrefix(tx *bolt.Tx, bucket, prefix []byte) error {
	var keys [][]byte
	eachPrefix(tx, bucket, prefix, func(k, _ []byte) bool {
		keys = append(keys, bytes.Clone(k))
		return true
	})
	for _, k := range keys {
		if err := tx.Bucket(bucket).Delete(k); err != nil {
			return err
		}
	}
	return nil
}
