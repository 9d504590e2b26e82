package state

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// stamp sorts by time, to the second: what a log and a storage can say.
const stamp = "20060102T150405"

// NoteIssuances keeps what was seen, each once however often it is seen, and
// forgets what no CA counts any more.
func (t *Tx) NoteIssuances(seen []Issuance, now time.Time) error {
	// A database of before there were any has no bucket for them.
	bucket, err := t.tx.CreateBucketIfNotExists(bucketIssuances)
	if err != nil {
		return err
	}
	oldest := now.Add(-issuancesLast)
	for _, i := range seen {
		k := key(i.At.UTC().Format(stamp), string(i.Kind), i.Host, strconv.Itoa(i.Nth))
		if i.At.Before(oldest) || bucket.Get(k) != nil {
			continue
		}
		if err := t.putJSON(bucketIssuances, k, i); err != nil {
			return err
		}
	}
	var old [][]byte
	c := bucket.Cursor()
	for k, _ := c.First(); k != nil && bytes.Compare(k, []byte(oldest.UTC().Format(stamp))) < 0; k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := t.delete(bucketIssuances, k); err != nil {
			return err
		}
	}
	return nil
}

// Issuances returns what was seen since a time, the oldest first.
func (t *Tx) Issuances(since time.Time) ([]Issuance, error) {
	out := []Issuance{}
	bucket := t.tx.Bucket(bucketIssuances)
	if bucket == nil {
		return out, nil
	}
	c := bucket.Cursor()
	for k, v := c.Seek([]byte(since.UTC().Format(stamp))); k != nil; k, v = c.Next() {
		var i Issuance
		if err := json.Unmarshal(v, &i); err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}
