package state

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Shown is which reviews the comment of a pull request shows: the last of
// each stack that had something to say.
type Shown struct {
	Runs map[string]string `json:"runs"` // by stack
	At   time.Time         `json:"at"`   // when it was last written
}

// Shown returns what the comment of a pull request shows; nothing where there
// is none yet.
func (t *Tx) Shown(repository string, pull int) (*Shown, error) {
	out := &Shown{}
	if bucket := t.tx.Bucket(bucketShown); bucket != nil { // a database of before there was any has none
		if raw := bucket.Get(shownKey(repository, pull)); raw != nil {
			if err := json.Unmarshal(raw, out); err != nil {
				return nil, fmt.Errorf("read what pull request %d shows from the database: %w", pull, err)
			}
		}
	}
	if out.Runs == nil {
		out.Runs = map[string]string{}
	}
	return out, nil
}

// PutShown stores it.
func (t *Tx) PutShown(repository string, pull int, s *Shown) error {
	if _, err := t.tx.CreateBucketIfNotExists(bucketShown); err != nil {
		return err
	}
	return t.putJSON(bucketShown, shownKey(repository, pull), s)
}

func shownKey(repository string, pull int) []byte {
	return fmt.Appendf(nil, "%s\x00%d", repository, pull)
}
