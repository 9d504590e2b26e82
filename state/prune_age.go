package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

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
		if err := t.delete(bucketLive, liveKey(r)); err != nil {
			return err
		}
	}
	return nil
}

// pruneByAge forgets old deliveries, audit entries, and what comments show.
func (s *Store) pruneByAge(ctx context.Context, oldest time.Time) error {
	for _, bucket := range [][]byte{bucketTaken, bucketAudit, bucketShown} {
		old, err := s.olderThan(bucket, oldest)
		if err != nil {
			return err
		}
		for keys := range slices.Chunk(old, pruneBatch) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := s.Update(func(t *Tx) error {
				for _, k := range keys {
					if err := t.forgetRecord(bucket, k); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Tx) forgetRecord(bucket, k []byte) error {
	if bytes.Equal(bucket, bucketTaken) {
		return t.forgetDelivery(k)
	}
	return t.delete(bucket, k)
}

// olderThan returns the keys of a bucket whose records are from before a time.
func (s *Store) olderThan(bucket []byte, oldest time.Time) (keys [][]byte, err error) {
	err = s.View(func(t *Tx) error {
		records := t.tx.Bucket(bucket)
		if records == nil {
			return nil
		}
		return records.ForEach(func(k, v []byte) error {
			var record struct {
				At time.Time `json:"at"`
			}
			if err := json.Unmarshal(v, &record); err != nil {
				return fmt.Errorf("read %s %q from the database: %w", bucket, k, err)
			}
			if record.At.Before(oldest) {
				keys = append(keys, bytes.Clone(k))
			}
			return nil
		})
	})
	return keys, err
}
