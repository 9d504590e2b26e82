package state

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// NewRunID returns an id that sorts by time.
func NewRunID() string { return uuid.Must(uuid.NewV7()).String() }

// Run returns a run, ErrNotFound where it is not kept.
func (t *Tx) Run(id string) (*Run, error) { return readRun[Run](t, id) }

// readRun reads a run, or a part of it.
func readRun[T any](t *Tx, id string) (*T, error) {
	raw := t.tx.Bucket(bucketRuns).Get([]byte(id))
	if raw == nil {
		return nil, ErrNotFound
	}
	v := new(T)
	return v, decodeRun([]byte(id), raw, v)
}

// PutRun stores a run as it now is. A status that the stored one cannot
// become is refused: whoever tries it acts on an outdated picture.
func (t *Tx) PutRun(r *Run) error {
	old, err := readRun[indexed](t, r.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		old = nil
	case err != nil:
		return err
	case old.Status != r.Status && !old.Status.CanBecome(r.Status):
		return fmt.Errorf("run %s is %s and cannot become %s", r.ID, old.Status, r.Status)
	}
	if r.Review != nil && old != nil {
		before, err := readRun[struct {
			Review *Review `json:"review"`
		}](t, r.ID)
		if err != nil {
			return err
		}
		kept := *r
		kept.Review = r.Review.said(before.Review)
		r = &kept
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("store run %s: %w", r.ID, err)
	}
	t.touched = append(t.touched, r.ID)
	return t.putRun(old, indexedOf(r), text)
}

// putRun stores the JSON of a run in the place of an older one, nil where it is new.
func (t *Tx) putRun(old, r *indexed, text []byte) error {
	if err := t.reindex(old, r); err != nil {
		return err
	}
	t.tx.Bucket(bucketRuns).FillPercent = appended
	return t.put(bucketRuns, []byte(r.ID), packRun(text, r.Status))
}

// ActiveRuns returns the runs that are not over, oldest first.
func (t *Tx) ActiveRuns() ([]*Run, error) {
	var out []*Run
	c := t.tx.Bucket(bucketActive).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		r, err := t.Run(string(k))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// forgetRun removes a run, where it is still there, with its log and its index
// entries.
func (t *Tx) forgetRun(id string) error {
	r, err := readRun[indexed](t, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.forgetIndexed(r)
}

func (t *Tx) forgetIndexed(r *indexed) error {
	if err := t.reindex(r, nil); err != nil {
		return err
	}
	if err := t.delete(bucketRuns, []byte(r.ID)); err != nil {
		return err
	}
	return t.deletePrefix(bucketLogs, append([]byte(r.ID), 0))
}
