package state

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"sort"
	"strings"
	"time"
)

// maxSteps bounds how many runs one page looks at, so that no question holds
// the database up: what matches rarely is found by its index, and what is left
// is two filters that each match often and hardly ever together.
const maxSteps = 10_000

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
	return strings.HasPrefix(r.Commit, q.Commit) && (q.Until.IsZero() || r.CreatedAt.Before(q.Until))
}

// Runs returns the runs that q selects, newest first, and the cursor of the
// next page, empty on the last one. A page may have fewer than Limit and still
// not be the last.
func (t *Tx) Runs(q RunQuery) (runs []*Run, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	bound := q.Before
	if !q.Until.IsZero() {
		newest, err := t.createdBefore(q.Until)
		if err != nil {
			return nil, "", err
		}
		if bound == "" || newest < bound {
			bound = newest
		}
	}
	walk := &walk{sources: t.sourcesOf(q), bound: bound}
	for {
		id, more := walk.next()
		if !more {
			return runs, "", nil
		}
		if id == "" {
			return runs, walk.bound, nil
		}
		r, err := t.Run(id)
		if err != nil {
			return nil, "", err
		}
		if r.CreatedAt.Before(q.Since) {
			return runs, "", nil
		}
		if !q.matches(r) {
			continue
		}
		if len(runs) == q.Limit {
			return runs, runs[len(runs)-1].ID, nil
		}
		runs = append(runs, r)
	}
}

// sourcesOf returns the indexes that together lead to what q selects.
func (t *Tx) sourcesOf(q RunQuery) (sources []source) {
	if q.Stack != "" || q.Kind != "" || q.Status != "" {
		c := t.tx.Bucket(bucketByStack).Cursor()
		sources = append(sources, newSource(c, prefixesOf(c, q.Stack, string(q.Kind), string(q.Status))))
	}
	if q.Commit != "" {
		sources = append(sources, t.withCommit(q.Commit))
	}
	if q.Actor != "" {
		sources = append(sources, t.withActor(q.Actor))
	}
	if len(sources) == 0 {
		sources = append(sources, newSource(t.tx.Bucket(bucketRuns).Cursor(), [][]byte{nil}))
	}
	return sources
}

// createdBefore returns a bound for ids: the runs below it were created before
// at. It needs no more than that runs were created in the order of their ids.
func (t *Tx) createdBefore(at time.Time) (bound string, err error) {
	c := t.tx.Bucket(bucketRuns).Cursor()
	var seen string // looked at last, and whether it was created too late
	var late bool
	n := sort.Search(math.MaxInt64, func(i int) bool {
		k, v := c.Seek([]byte(idAt(uint64(i))))
		if k == nil || err != nil {
			return true
		}
		if string(k) != seen {
			var run struct {
				CreatedAt time.Time `json:"created_at"`
			}
			err = decodeRun(k, v, &run)
			seen, late = string(k), !run.CreatedAt.Before(at)
		}
		return late
	})
	return idAt(uint64(n)), err
}

// idAt is the start of the ids whose first 64 bits, which are time, are n.
func idAt(n uint64) string {
	digits := hex.EncodeToString(binary.BigEndian.AppendUint64(nil, n))
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:]
}
