package state

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
)

// Keeps reports whether a stack has a history: it was deployed, or tried, or a
// person has said something of it.
func (t *Tx) Keeps(stack string) (bool, error) {
	s, err := t.Stack(stack)
	return err == nil && (s.Live != nil || s.LastGood != nil || s.Judged != nil || s.Lock != nil || s.Pin != nil || len(s.Quarantined) > 0), err
}

// Stacks returns what is kept of all stacks.
func (t *Tx) Stacks() ([]*Stack, error) {
	return all(t, bucketStacks, func(*Stack) bool { return true })
}

// ShelfOf is what a stack's files, images and archives are kept under. before
// is the name that its history is still kept under; empty where there is none.
func (t *Tx) ShelfOf(name, before string) (string, error) {
	if before != "" {
		keeps, err := t.Keeps(before)
		if err != nil {
			return "", err
		}
		if keeps {
			name = before
		}
	}
	s, err := t.Stack(name)
	if err != nil {
		return "", err
	}
	return cmp.Or(s.Shelf, name), nil
}

// RenameStack gives all that is kept of a stack another name: its state,
// releases, runs, backups and what is held. What is not in the database stays
// where it is, and the stack's Shelf says so. What was kept under the new name
// but for runs and backups is lost.
func (t *Tx) RenameStack(from, to string) error {
	s, err := t.Stack(from)
	if err != nil {
		return err
	}
	s.Name, s.Shelf = to, cmp.Or(s.Shelf, from)
	for _, r := range []*Release{s.Live, s.LastGood} {
		if r != nil {
			r.Stack = to
		}
	}
	if err := t.delete(bucketStacks, []byte(from)); err != nil {
		return err
	}
	return errors.Join(t.PutStack(s), t.renameReleases(from, to), t.renameRuns(from, to), t.renameBackups(from, to))
}

func (t *Tx) renameReleases(from, to string) error {
	for _, bucket := range [][]byte{bucketReleases, bucketLive} {
		err := t.moveAll(bucket, from, to, func(v []byte) ([]byte, error) {
			r := new(Release)
			if err := json.Unmarshal(v, r); err != nil {
				return nil, err
			}
			r.Stack = to
			return json.Marshal(r)
		})
		if err != nil {
			return err
		}
	}
	return t.moveAll(bucketSealed, from, to, func(v []byte) ([]byte, error) { return v, nil })
}

// moveAll puts what a bucket has below one stack below another, as change makes it.
func (t *Tx) moveAll(bucket []byte, from, to string, change func([]byte) ([]byte, error)) error {
	type record struct{ k, v []byte }
	var all []record
	eachPrefix(t.tx, bucket, key(from, ""), func(k, v []byte) bool {
		all = append(all, record{bytes.Clone(k), bytes.Clone(v)})
		return true
	})
	for _, r := range all {
		v, err := change(r.v)
		if err != nil {
			return fmt.Errorf("read %s %q from the database: %w", bucket, r.k, err)
		}
		if err := t.delete(bucket, r.k); err != nil {
			return err
		}
		if err := t.put(bucket, append(key(to), r.k[len(from):]...), v); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) renameRuns(from, to string) error {
	var ids []string
	eachPrefix(t.tx, bucketByStack, key(from, ""), func(k, _ []byte) bool {
		ids = append(ids, string(k[bytes.LastIndexByte(k, 0)+1:]))
		return true
	})
	for _, id := range ids {
		r, err := t.Run(id)
		if err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		before := indexedOf(r)
		r.Stack = to
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		t.touched = append(t.touched, id)
		if err := t.putRun(before, indexedOf(r), text); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) renameBackups(from, to string) error {
	backups, err := t.Backups(from)
	if err != nil {
		return err
	}
	for _, b := range backups {
		b.Stack = to
		if err := t.PutBackup(b); err != nil {
			return err
		}
	}
	h, err := t.Hold(from)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	h.Stack = to
	return errors.Join(t.DeleteHold(from), t.PutHold(h))
}
