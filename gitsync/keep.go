package gitsync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// refKeep is where the commits are named that must stay, whatever the branches do.
const refKeep = "refs/deployer/keep/"

// Keep makes exactly these commits stay in the mirror, whatever becomes of
// their branches and of the remote. Others go when the mirror is tidied up,
// except for the branches' tips and snapshots in use. A commit that the mirror
// does not hold is passed over. Where nothing changes, nothing is written. What
// was fetched since the last time is then on the disk.
func (m *Mirror) Keep(commits ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opened() == nil {
		return nil // nothing to keep; what a damaged mirror keeps it goes on keeping
	}
	var held []plumbing.Hash
	for _, c := range commits {
		h, err := parseCommit(c)
		if err != nil {
			continue
		}
		ok, err := m.holds(h)
		if err != nil {
			return err
		}
		if ok && !slices.Contains(held, h) {
			held = append(held, h)
		}
	}
	if err := errors.Join(m.store.setKept(held), m.store.settle()); err != nil {
		return fmt.Errorf("keep commits in %s: %w", m.dir, err)
	}
	return nil
}

// setKept keeps exactly these commits. Where they are kept already, nothing
// is written.
func (s *store) setKept(commits []plumbing.Hash) error {
	known := keptIn(s.dir)
	for _, c := range commits {
		if !slices.Contains(known, c) {
			if err := s.setRef(keepName(c), c); err != nil {
				return err
			}
		}
	}
	for _, c := range known {
		if !slices.Contains(commits, c) {
			if err := s.removeRef(keepName(c)); err != nil {
				return err
			}
		}
	}
	return nil
}

func keepName(c plumbing.Hash) plumbing.ReferenceName {
	return plumbing.ReferenceName(refKeep + c.String())
}

// keptIn lists the commits that a mirror keeps. It needs their names only, so
// that a mirror whose references are empty still tells them.
func keptIn(dir string) []plumbing.Hash {
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(refKeep)))
	if err != nil {
		return nil
	}
	var kept []plumbing.Hash
	for _, e := range entries {
		if plumbing.IsHash(e.Name()) {
			kept = append(kept, plumbing.NewHash(e.Name()))
		}
	}
	return kept
}
