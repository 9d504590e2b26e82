package state

import (
	"bytes"
	"slices"
)

// The index by commit has two parts. Commits are random, and each new one in a
// sorted index is another page to write: entries lie in the order in which runs
// come, and are sorted in bulk once there are many. Pushes that are superseded
// in a flood are forgotten before that.
const (
	newCommits  = 1000 // entries that a question for a commit looks through
	sortCommits = 250  // and how many more there may be until the oldest are sorted
)

// indexedCommit is how much of a commit is in the index: more tells no two
// apart.
const indexedCommit = 12

func startOf(commit string) string { return commit[:min(len(commit), indexedCommit)] }

// reindexCommit takes the index from what a run was to what it is, as reindex
// does the others.
func (t *Tx) reindexCommit(before, after *indexed) error {
	var old, current string
	if before != nil {
		old = startOf(before.Commit)
	}
	if after != nil {
		current = startOf(after.Commit)
	}
	if old == current {
		return nil
	}
	if old != "" {
		if err := t.dropCommit(before.ID, old); err != nil {
			return err
		}
	}
	if current != "" {
		return t.addCommit(after.ID, current)
	}
	return nil
}

func (t *Tx) addCommit(id, commit string) error {
	recent := t.tx.Bucket(bucketNewCommits)
	n, err := recent.NextSequence()
	if err != nil {
		return err
	}
	recent.FillPercent = appended
	if err := t.put(bucketNewCommits, []byte(id), []byte(commit)); err != nil {
		return err
	}
	if n%sortCommits == 0 {
		return t.sortCommits()
	}
	return nil
}

// dropCommit removes an entry from the part that it is in.
func (t *Tx) dropCommit(id, commit string) error {
	if t.tx.Bucket(bucketNewCommits).Get([]byte(id)) != nil {
		return t.delete(bucketNewCommits, []byte(id))
	}
	return t.delete(bucketByCommit, key(commit, id))
}

// sortCommits sorts all entries in but the newest.
func (t *Tx) sortCommits() error {
	old := -newCommits
	eachPrefix(t.tx, bucketNewCommits, nil, func(_, _ []byte) bool { old++; return true })
	var ids, sorted [][]byte
	eachPrefix(t.tx, bucketNewCommits, nil, func(id, commit []byte) bool {
		if len(ids) >= old {
			return false
		}
		ids = append(ids, bytes.Clone(id))
		sorted = append(sorted, key(string(commit), string(id)))
		return true
	})
	slices.SortFunc(sorted, bytes.Compare)
	for _, k := range sorted {
		if err := t.put(bucketByCommit, k, nil); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := t.delete(bucketNewCommits, id); err != nil {
			return err
		}
	}
	return nil
}

// withCommit returns the runs whose commit begins with start.
func (t *Tx) withCommit(start string) source {
	start = startOf(start)
	c := t.tx.Bucket(bucketByCommit).Cursor()
	s := newSource(c, longerPrefixes(c, nil, start))
	eachPrefix(t.tx, bucketNewCommits, nil, func(id, commit []byte) bool {
		if bytes.HasPrefix(commit, []byte(start)) {
			s.listed = append(s.listed, string(id))
		}
		return true
	})
	return s
}
