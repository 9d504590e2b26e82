package state

import (
	"bytes"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// An entry of an index leads to one run; it has no value.
type entry struct {
	bucket []byte
	key    []byte
}

// indexed is what the indexes know of a run.
type indexed struct {
	ID      string    `json:"id"`
	Stack   string    `json:"stack"`
	Kind    RunKind   `json:"kind"`
	Status  RunStatus `json:"status"`
	Commit  string    `json:"commit"`
	Trigger Trigger   `json:"trigger"`
}

func indexedOf(r *Run) *indexed {
	return &indexed{r.ID, r.Stack, r.Kind, r.Status, r.Commit, r.Trigger}
}

// entries are those that lead to the run, but for those by commit and actor;
// none where there is no run.
func (r *indexed) entries() []entry {
	if r == nil {
		return nil
	}
	entries := make([]entry, 0, 2)
	entries = append(entries, entry{bucketByStack, key(r.Stack, string(r.Kind), string(r.Status), r.ID)})
	if !r.Status.Terminal() {
		entries = append(entries, entry{bucketActive, []byte(r.ID)})
	}
	return entries
}

// reindex takes the indexes from what a run was, nil where it is new, to what
// it is, nil where it is forgotten.
func (t *Tx) reindex(before, after *indexed) error {
	old, current := before.entries(), after.entries()
	for _, e := range old {
		if !contains(current, e) {
			if err := t.delete(e.bucket, e.key); err != nil {
				return err
			}
		}
	}
	t.tx.Bucket(bucketByStack).FillPercent = appended // each name's newest ids come last
	for _, e := range current {
		if !contains(old, e) {
			if err := t.put(e.bucket, e.key, nil); err != nil {
				return err
			}
		}
	}
	return t.reindexOrigin(before, after)
}

func contains(entries []entry, e entry) bool {
	return slices.ContainsFunc(entries, func(other entry) bool {
		return bytes.Equal(other.bucket, e.bucket) && bytes.Equal(other.key, e.key)
	})
}

// prefixesOf returns the starts of the keys of an index that have the given
// parts, of which an empty one stands for all that there are.
func prefixesOf(c *bolt.Cursor, parts ...string) [][]byte {
	prefixes := [][]byte{nil}
	for _, part := range parts {
		var longer [][]byte
		for _, p := range prefixes {
			if part == "" {
				longer = append(longer, longerPrefixes(c, p, "")...)
			} else {
				longer = append(longer, append(append(bytes.Clone(p), part...), 0))
			}
		}
		prefixes = longer
	}
	return prefixes
}

// longerPrefixes returns prefix with each next part that begins with start.
func longerPrefixes(c *bolt.Cursor, prefix []byte, start string) (longer [][]byte) {
	from := append(bytes.Clone(prefix), start...)
	for k, _ := c.Seek(from); bytes.HasPrefix(k, from); {
		part, _, ok := bytes.Cut(k[len(prefix):], []byte{0})
		if !ok {
			break
		}
		found := append(append(bytes.Clone(prefix), part...), 0)
		longer = append(longer, found)
		past := bytes.Clone(found)
		past[len(past)-1] = 1
		k, _ = c.Seek(past)
	}
	return longer
}
