package state

import (
	"bytes"
	"slices"
)

// The indexes by commit and by actor have a part in common, in which the
// newest runs lie in the order in which they came. Commits are random: sorted
// one by one, each would be a page to write. They are sorted in bulk once there
// are many; most of the pushes of a flood are forgotten before that.
const (
	keptUnsorted = 1000 // runs that a question for a commit or an actor looks through
	sortEvery    = 250  // and how many more there may be until the oldest are sorted
)

// indexedCommit is how much of a commit is in the index: more tells no two
// apart.
const indexedCommit = 12

func startOf(commit string) string { return commit[:min(len(commit), indexedCommit)] }

// origin is what the two indexes know of a run, nil where they know nothing.
func (r *indexed) origin() []byte {
	if r == nil || r.Commit == "" && r.Trigger.Actor == "" {
		return nil
	}
	return key(startOf(r.Commit), r.Trigger.Actor)
}

func readOrigin(raw []byte) (commit, actor []byte) {
	commit, actor, _ = bytes.Cut(raw, []byte{0})
	return commit, actor
}

// reindexOrigin takes the two indexes from what a run was to what it is, as
// reindex does the others.
func (t *Tx) reindexOrigin(before, after *indexed) error {
	old, current := before.origin(), after.origin()
	if bytes.Equal(old, current) {
		return nil
	}
	if old != nil {
		if err := t.dropOrigin(before.ID, old); err != nil {
			return err
		}
	}
	if current == nil {
		return nil
	}
	unsorted := t.tx.Bucket(bucketUnsorted)
	n, err := unsorted.NextSequence()
	if err != nil {
		return err
	}
	unsorted.FillPercent = appended
	if err := t.put(bucketUnsorted, []byte(after.ID), current); err != nil || n%sortEvery != 0 {
		return err
	}
	return t.sortOldest()
}

// dropOrigin removes what leads to a run from the part that it is in.
func (t *Tx) dropOrigin(id string, origin []byte) error {
	if t.tx.Bucket(bucketUnsorted).Get([]byte(id)) != nil {
		return t.delete(bucketUnsorted, []byte(id))
	}
	for _, e := range sortedEntries([]byte(id), origin) {
		if err := t.delete(e.bucket, e.key); err != nil {
			return err
		}
	}
	return nil
}

func sortedEntries(id, origin []byte) (entries []entry) {
	commit, actor := readOrigin(origin)
	if len(commit) > 0 {
		entries = append(entries, entry{bucketByCommit, bytes.Join([][]byte{commit, id}, []byte{0})})
	}
	if len(actor) > 0 {
		entries = append(entries, entry{bucketByActor, bytes.Join([][]byte{actor, id}, []byte{0})})
	}
	return entries
}

// sortOldest sorts all but the newest runs in.
func (t *Tx) sortOldest() error {
	surplus := -keptUnsorted
	eachPrefix(t.tx, bucketUnsorted, nil, func(_, _ []byte) bool { surplus++; return true })
	var ids [][]byte
	var entries []entry
	eachPrefix(t.tx, bucketUnsorted, nil, func(id, origin []byte) bool {
		if len(ids) >= surplus {
			return false
		}
		ids = append(ids, bytes.Clone(id))
		entries = append(entries, sortedEntries(id, origin)...)
		return true
	})
	t.tx.Bucket(bucketByActor).FillPercent = appended // each one's newest ids come last
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for _, e := range entries {
		if err := t.put(e.bucket, e.key, nil); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := t.delete(bucketUnsorted, id); err != nil {
			return err
		}
	}
	return nil
}

// withCommit returns the runs whose commit begins as the given one does.
func (t *Tx) withCommit(commit string) source {
	start := startOf(commit)
	c := t.tx.Bucket(bucketByCommit).Cursor()
	s := newSource(c, longerPrefixes(c, nil, start))
	s.listed = t.unsorted(func(commit, _ []byte) bool { return len(commit) > 0 && bytes.HasPrefix(commit, []byte(start)) })
	return s
}

// withActor returns the runs of an actor.
func (t *Tx) withActor(name string) source {
	c := t.tx.Bucket(bucketByActor).Cursor()
	s := newSource(c, prefixesOf(c, name))
	s.listed = t.unsorted(func(_, actor []byte) bool { return string(actor) == name })
	return s
}

// unsorted returns the runs that are not sorted and match, oldest first.
func (t *Tx) unsorted(match func(commit, actor []byte) bool) (ids []string) {
	eachPrefix(t.tx, bucketUnsorted, nil, func(id, origin []byte) bool {
		if match(readOrigin(origin)) {
			ids = append(ids, string(id))
		}
		return true
	})
	return ids
}
