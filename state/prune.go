package state

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// A Retention bounds what is kept of each stack and kind of run. What is
// live, good, quarantined or not over stays, whatever its age.
type Retention struct {
	Runs int           // newest runs of each stack and kind
	Age  time.Duration // of runs, deliveries, the audit trail and the live history
}

// pruneBatch is how many runs go in one transaction, so that deliveries do
// not wait long behind it.
const pruneBatch = 200

// Prune forgets what is beyond the retention and returns how many runs went.
func (s *Store) Prune(ctx context.Context, keep Retention, now time.Time) (removed int, err error) {
	oldest := now.Add(-keep.Age)
	stacks, err := s.stacksWithRuns()
	if err != nil {
		return 0, err
	}
	for _, stack := range stacks {
		runs, err := s.surplus(stack, keep.Runs, oldest)
		if err != nil {
			return removed, err
		}
		for len(runs) > 0 && ctx.Err() == nil {
			batch := runs[:min(pruneBatch, len(runs))]
			runs = runs[len(batch):]
			if err := s.Update(func(t *Tx) error { return t.forget(stack, batch) }); err != nil {
				return removed, err
			}
			removed += len(batch)
		}
		if err := s.Update(func(t *Tx) error { return t.pruneReleases(stack, oldest) }); err != nil {
			return removed, err
		}
	}
	if ctx.Err() != nil {
		return removed, ctx.Err()
	}
	return removed, s.Update(func(t *Tx) error { return t.pruneByAge(oldest) })
}

func (s *Store) stacksWithRuns() (names []string, err error) {
	err = s.View(func(t *Tx) error {
		c := t.tx.Bucket(bucketByStack).Cursor()
		for k, _ := c.First(); k != nil; {
			name, _, _ := bytes.Cut(k, []byte{0})
			names = append(names, string(name))
			k, _ = c.Seek(append(bytes.Clone(name), 1))
		}
		return nil
	})
	return names, err
}

// surplus returns the runs of a stack that are beyond the retention.
func (s *Store) surplus(stack string, most int, oldest time.Time) (ids []string, err error) {
	err = s.View(func(t *Tx) error {
		known, err := t.Stack(stack)
		if err != nil {
			return err
		}
		held := known.heldRuns()
		count := map[RunKind]int{}
		for id := range t.idsBackwards(stack, "") {
			r, err := t.Run(id)
			if err != nil {
				return err
			}
			count[r.Kind]++
			if r.Status.Terminal() && !held[id] && (count[r.Kind] > most || r.CreatedAt.Before(oldest)) {
				ids = append(ids, id)
			}
		}
		return nil
	})
	return ids, err
}

// heldRuns are the runs that made the releases which must stay.
func (s *Stack) heldRuns() map[string]bool {
	held := map[string]bool{}
	for _, r := range []*Release{s.Live, s.LastGood} {
		if r != nil {
			held[r.Run] = true
		}
	}
	for _, q := range s.Quarantined {
		held[q.Run] = true
	}
	if s.Judged != nil {
		held[s.Judged.Run] = true
	}
	return held
}

// forget removes runs with their logs and index entries.
func (t *Tx) forget(stack string, runs []string) error {
	for _, id := range runs {
		if err := t.tx.Bucket(bucketRuns).Delete([]byte(id)); err != nil {
			return err
		}
		if err := t.tx.Bucket(bucketByStack).Delete(key(stack, id)); err != nil {
			return err
		}
		if err := deletePrefix(t.tx, bucketLogs, append([]byte(id), 0)); err != nil {
			return err
		}
	}
	return nil
}

// pruneReleases forgets the releases of a stack whose run is forgotten and
// that nothing holds, and old entries of its live history.
func (t *Tx) pruneReleases(stack string, oldest time.Time) error {
	known, err := t.Stack(stack)
	if err != nil {
		return err
	}
	releases, err := t.Releases(stack)
	if err != nil {
		return err
	}
	for _, r := range releases {
		live := known.Live != nil && known.Live.ID == r.ID
		good := known.LastGood != nil && known.LastGood.ID == r.ID
		if live || good || known.FindQuarantine(r.ID) != nil || t.tx.Bucket(bucketRuns).Get([]byte(r.Run)) != nil {
			continue
		}
		if err := t.DeleteRelease(stack, r.ID); err != nil {
			return err
		}
	}
	history, err := t.LiveHistory(stack)
	if err != nil {
		return err
	}
	for i, r := range history {
		if i == len(history)-1 || !history[i+1].At.Before(oldest) { // it was live at oldest, or after
			break
		}
		if err := t.tx.Bucket(bucketLive).Delete(liveKey(r)); err != nil {
			return err
		}
	}
	return nil
}

// pruneByAge forgets old deliveries and audit entries.
func (t *Tx) pruneByAge(oldest time.Time) error {
	for _, bucket := range [][]byte{bucketDeliveries, bucketAudit} {
		var old [][]byte
		err := t.tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			var entry struct {
				At time.Time `json:"at"`
			}
			if err := json.Unmarshal(v, &entry); err != nil {
				return err
			}
			if entry.At.Before(oldest) {
				old = append(old, bytes.Clone(k))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, k := range old {
			if err := t.tx.Bucket(bucket).Delete(k); err != nil {
				return err
			}
		}
	}
	return nil
}
