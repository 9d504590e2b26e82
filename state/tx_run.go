package state

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"
)

// NewRunID returns an id that sorts by time.
func NewRunID() string { return uuid.Must(uuid.NewV7()).String() }

// Run returns a run, ErrNotFound where it is not kept.
func (t *Tx) Run(id string) (*Run, error) { return get[Run](t.tx, bucketRuns, []byte(id)) }

// PutRun stores a run as it now is. A status that the stored one cannot
// become is refused: whoever tries it acts on an outdated picture.
func (t *Tx) PutRun(r *Run) error {
	old, err := t.Run(r.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		if err := t.tx.Bucket(bucketByStack).Put(key(r.Stack, r.ID), nil); err != nil {
			return err
		}
	case err != nil:
		return err
	case old.Status != r.Status && !old.Status.CanBecome(r.Status):
		return fmt.Errorf("run %s is %s and cannot become %s", r.ID, old.Status, r.Status)
	}
	if err := t.index(r); err != nil {
		return err
	}
	t.touched = append(t.touched, r.ID)
	return put(t.tx, bucketRuns, []byte(r.ID), r)
}

func (t *Tx) index(r *Run) error {
	active := t.tx.Bucket(bucketActive)
	if r.Status.Terminal() {
		return active.Delete([]byte(r.ID))
	}
	return active.Put([]byte(r.ID), nil)
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

// RunQuery selects runs. Zero fields select all.
type RunQuery struct {
	Stack  string
	Status RunStatus
	Kind   RunKind
	Commit string // a prefix is enough
	Actor  string
	Since  time.Time
	Until  time.Time
	Before string // only runs older than this id: the cursor of the page before
	Limit  int    // at most this many; 0 means 50
}

func (q RunQuery) matches(r *Run) bool {
	return (q.Status == "" || r.Status == q.Status) &&
		(q.Kind == "" || r.Kind == q.Kind) &&
		(q.Commit == "" || bytes.HasPrefix([]byte(r.Commit), []byte(q.Commit))) &&
		(q.Actor == "" || r.Trigger.Actor == q.Actor) &&
		(q.Until.IsZero() || r.CreatedAt.Before(q.Until))
}

// Runs returns the runs that q selects, newest first, and the cursor of the
// next page, empty on the last one.
func (t *Tx) Runs(q RunQuery) (runs []*Run, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	for id := range t.idsBackwards(q.Stack, q.Before) {
		r, err := t.Run(id)
		if err != nil {
			return nil, "", err
		}
		if !q.Since.IsZero() && r.CreatedAt.Before(q.Since) {
			break
		}
		if !q.matches(r) {
			continue
		}
		if len(runs) == q.Limit {
			return runs, runs[len(runs)-1].ID, nil
		}
		runs = append(runs, r)
	}
	return runs, "", nil
}

// idsBackwards yields run ids from the newest on, of one stack or of all.
func (t *Tx) idsBackwards(stack, before string) func(yield func(string) bool) {
	bucket, prefix := bucketRuns, []byte(nil)
	if stack != "" {
		bucket, prefix = bucketByStack, append([]byte(stack), 0)
	}
	return func(yield func(string) bool) {
		c := t.tx.Bucket(bucket).Cursor()
		for k := seekLast(c, prefix, before); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
			if !yield(string(k[len(prefix):])) {
				return
			}
		}
	}
}

// seekLast puts c on the last key under prefix that is smaller than prefix+before.
func seekLast(c *bolt.Cursor, prefix []byte, before string) []byte {
	bound := append(bytes.Clone(prefix), before...)
	if before == "" {
		bound = append(bound, 0xff)
	}
	k, _ := c.Seek(bound)
	if k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ = c.Prev()
	return k
}
