package state

import (
	"encoding/json"
	"fmt"
)

// Backup returns a backup by its id.
func (t *Tx) Backup(id string) (*Backup, error) {
	return get[Backup](t.tx, bucketBackups, []byte(id))
}

// PutBackup stores a backup.
func (t *Tx) PutBackup(b *Backup) error { return t.putJSON(bucketBackups, []byte(b.ID), b) }

// DeleteBackup forgets a backup. Its files are not touched.
func (t *Tx) DeleteBackup(id string) error { return t.delete(bucketBackups, []byte(id)) }

// Backups returns the backups of a stack, of all stacks where it is empty, in
// the order of their ids.
func (t *Tx) Backups(stack string) ([]*Backup, error) {
	return all(t, bucketBackups, func(b *Backup) bool { return stack == "" || b.Stack == stack })
}

// Hold returns what a run of a stack holds back.
func (t *Tx) Hold(stack string) (*Hold, error) {
	return get[Hold](t.tx, bucketHolds, []byte(stack))
}

// PutHold stores what a run is about to hold back.
func (t *Tx) PutHold(h *Hold) error { return t.putJSON(bucketHolds, []byte(h.Stack), h) }

// DeleteHold forgets a hold: its containers go on.
func (t *Tx) DeleteHold(stack string) error { return t.delete(bucketHolds, []byte(stack)) }

// Holds returns everything that is held back.
func (t *Tx) Holds() ([]*Hold, error) { return all(t, bucketHolds, func(*Hold) bool { return true }) }

func all[T any](t *Tx, bucket []byte, wanted func(*T) bool) (out []*T, failed error) {
	eachPrefix(t.tx, bucket, nil, func(k, v []byte) bool {
		one := new(T)
		if err := json.Unmarshal(v, one); err != nil {
			failed = fmt.Errorf("read %s %q from the database: %w", bucket, k, err)
			return false
		}
		if wanted(one) {
			out = append(out, one)
		}
		return true
	})
	return out, failed
}
