package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// Release returns a release of a stack by its fingerprint.
func (t *Tx) Release(stack, id string) (*Release, error) {
	return get[Release](t.tx, bucketReleases, key(stack, id))
}

// PutRelease stores a release and, where sealed is not nil, the encrypted
// recipe that it can be run again from.
func (t *Tx) PutRelease(r *Release, sealed []byte) error {
	if sealed != nil {
		if err := t.put(bucketSealed, key(r.Stack, r.ID), sealed); err != nil {
			return err
		}
	}
	return t.putJSON(bucketReleases, key(r.Stack, r.ID), r)
}

// Sealed returns the encrypted recipe of a release.
func (t *Tx) Sealed(stack, id string) ([]byte, error) {
	raw := t.tx.Bucket(bucketSealed).Get(key(stack, id))
	if raw == nil {
		return nil, ErrNotFound
	}
	return bytes.Clone(raw), nil
}

// Releases returns the releases of a stack; of all stacks where it is empty.
func (t *Tx) Releases(stack string) ([]*Release, error) {
	var prefix []byte
	if stack != "" {
		prefix = append([]byte(stack), 0)
	}
	return releasesUnder(t, bucketReleases, prefix)
}

// DeleteRelease forgets a release and its recipe.
func (t *Tx) DeleteRelease(stack, id string) error {
	if err := t.delete(bucketSealed, key(stack, id)); err != nil {
		return err
	}
	return t.delete(bucketReleases, key(stack, id))
}

// WentLive notes that from r.At on the release's containers run.
func (t *Tx) WentLive(r *Release) error {
	return t.putJSON(bucketLive, liveKey(r), r)
}

func liveKey(r *Release) []byte {
	return binary.BigEndian.AppendUint64(key(r.Stack, ""), uint64(r.At.UnixNano()))
}

// LiveHistory returns what was live over time, oldest first.
func (t *Tx) LiveHistory(stack string) ([]*Release, error) {
	return releasesUnder(t, bucketLive, append([]byte(stack), 0))
}

// LiveAt returns the release that was live at a time.
func (t *Tx) LiveAt(stack string, at time.Time) (*Release, error) {
	history, err := t.LiveHistory(stack)
	if err != nil {
		return nil, err
	}
	for i := len(history) - 1; i >= 0; i-- {
		if !history[i].At.After(at) {
			return history[i], nil
		}
	}
	return nil, ErrNotFound
}

func releasesUnder(t *Tx, bucket, prefix []byte) ([]*Release, error) {
	var out []*Release
	var failed error
	eachPrefix(t.tx, bucket, prefix, func(k, v []byte) bool {
		r := new(Release)
		if err := json.Unmarshal(v, r); err != nil {
			failed = fmt.Errorf("read %s %q from the database: %w", bucket, k, err)
			return false
		}
		out = append(out, r)
		return true
	})
	return out, failed
}
