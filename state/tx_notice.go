package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// AddNotice appends news of a run.
func (t *Tx) AddNotice(run *Run, at time.Time) error {
	number, err := t.tx.Bucket(bucketNotices).NextSequence()
	if err != nil {
		return err
	}
	n := &Notice{Run: run.ID, Status: run.Status, At: at}
	if run.Forge != "" {
		n.Commit = run.Commit
	}
	return t.putJSON(bucketNotices, binary.BigEndian.AppendUint64(nil, number), n)
}

// NextNotice returns the first notice after a number, ErrNotFound where there is none.
func (t *Tx) NextNotice(after uint64) (*Notice, error) {
	k, v := t.tx.Bucket(bucketNotices).Cursor().Seek(binary.BigEndian.AppendUint64(nil, after+1))
	if k == nil {
		return nil, ErrNotFound
	}
	n := &Notice{Number: binary.BigEndian.Uint64(k)}
	if err := json.Unmarshal(v, n); err != nil {
		return nil, fmt.Errorf("read notice %d from the database: %w", n.Number, err)
	}
	return n, nil
}

// Told returns the number of the last notice that a sink told. A sink that is
// new begins with what happens from now on.
func (t *Tx) Told(sink string) uint64 {
	if raw := t.tx.Bucket(bucketTold).Get([]byte(sink)); len(raw) == 8 {
		return binary.BigEndian.Uint64(raw)
	}
	return t.tx.Bucket(bucketNotices).Sequence()
}

// PutTold notes the last notice that a sink told.
func (t *Tx) PutTold(sink string, number uint64) error {
	raw := binary.BigEndian.AppendUint64(nil, number)
	if bytes.Equal(t.tx.Bucket(bucketTold).Get([]byte(sink)), raw) {
		return nil
	}
	return t.put(bucketTold, []byte(sink), raw)
}

// KeepSinks forgets the sinks that are not among the given ones.
func (t *Tx) KeepSinks(prefix string, sinks []string) error {
	known := make(map[string]bool, len(sinks))
	for _, s := range sinks {
		known[s] = true
	}
	var gone [][]byte
	eachPrefix(t.tx, bucketTold, []byte(prefix), func(k, _ []byte) bool {
		if !known[string(k)] {
			gone = append(gone, bytes.Clone(k))
		}
		return true
	})
	for _, k := range gone {
		if err := t.delete(bucketTold, k); err != nil {
			return err
		}
	}
	return nil
}

// TrimNotices forgets the notices from before a time.
func (t *Tx) TrimNotices(before time.Time) error {
	var old [][]byte
	c := t.tx.Bucket(bucketNotices).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var n Notice
		if err := json.Unmarshal(v, &n); err == nil && !n.At.Before(before) {
			break
		}
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := t.delete(bucketNotices, k); err != nil {
			return err
		}
	}
	return nil
}
