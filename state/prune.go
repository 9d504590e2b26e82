package state

import (
	"bytes"
	"context"
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

// noticesAge is how old news may be that nobody could be told.
const noticesAge = 7 * 24 * time.Hour

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
			if err := s.Update(func(t *Tx) error { return t.forget(batch) }); err != nil {
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
	if err := s.Update(func(t *Tx) error { return t.TrimNotices(now.Add(-noticesAge)) }); err != nil {
		return removed, err
	}
	return removed, s.pruneByAge(ctx, oldest)
}

func (s *Store) stacksWithRuns() (names []string, err error) {
	err = s.View(func(t *Tx) error {
		for _, prefix := range prefixesOf(t.tx.Bucket(bucketByStack).Cursor(), "") {
			names = append(names, string(prefix[:len(prefix)-1]))
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
		old, err := t.createdBefore(oldest)
		if err != nil {
			return err
		}
		held := known.heldRuns()
		c := t.tx.Bucket(bucketByStack).Cursor()
		for _, kind := range prefixesOf(c, stack, "") {
			runs := newSource(c, longerPrefixes(c, kind, ""))
			n := 0
			for id := runs.below(""); id != ""; id = runs.below(id) {
				n++
				active := t.tx.Bucket(bucketActive).Get([]byte(id)) != nil
				if !active && !held[id] && (n > most || id < old) {
					ids = append(ids, id)
				}
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
	for _, p := range s.Proposals {
		held[p.Run] = true
	}
	if s.Judged != nil {
		held[s.Judged.Run] = true
	}
	return held
}

func (t *Tx) forget(runs []string) error {
	for _, id := range runs {
		if err := t.forgetRun(id); err != nil {
			return err
		}
	}
	return nil
}

// TrimSuperseded forgets the superseded pushes of a stack beyond the newest
// ones: a flood of pushes leaves no more than that, however long it lasts.
func (t *Tx) TrimSuperseded(stack string, newest int) error {
	prefix := key(stack, string(KindDeploy), string(RunSuperseded), "")
	c := t.tx.Bucket(bucketByStack).Cursor()
	var surplus []string
	n := 0
	for k := seekLast(c, prefix, ""); bytes.HasPrefix(k, prefix) && len(surplus) < pruneBatch; k, _ = c.Prev() {
		if n++; n > newest {
			surplus = append(surplus, string(k[len(prefix):]))
		}
	}
	for _, id := range surplus {
		if err := t.forgetSuperseded(stack, id); err != nil {
			return err
		}
	}
	return nil
}

// forgetSuperseded forgets a superseded push. What the indexes know of one
// that is not sorted is at hand: its record need not be read.
func (t *Tx) forgetSuperseded(stack, id string) error {
	origin := t.tx.Bucket(bucketUnsorted).Get([]byte(id))
	if origin == nil {
		return t.forgetRun(id)
	}
	commit, actor := readOrigin(origin)
	return t.forgetIndexed(&indexed{
		ID: id, Stack: stack, Kind: KindDeploy, Status: RunSuperseded,
		Commit: string(commit), Trigger: Trigger{Actor: string(actor)},
	})
}
