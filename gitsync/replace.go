package gitsync

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// What lies beside a mirror's folder: new ones being made, and the old one
// while a new one takes its place.
const (
	newSuffix = ".new-"
	oldSuffix = ".old"
)

// workDir makes an empty folder beside the mirror.
func (m *Mirror) workDir() (string, error) {
	parent, base := filepath.Split(m.dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, base+newSuffix+"*")
}

// salvage copies what is kept or in use to a new store, as far as the old one
// still holds it: what cannot be read is lost already. The caller holds mu.
func (m *Mirror) salvage(to, from *store) error {
	var kept []plumbing.Hash
	for _, h := range keptIn(from.dir) {
		err := copyCommit(to, from, h)
		if err == nil {
			kept = append(kept, h)
		} else if !errors.Is(err, ErrDamaged) {
			return err
		}
	}
	for _, w := range m.live {
		if snap := w.Value(); snap != nil {
			if err := copyCommit(to, from, snap.commit); err != nil && !errors.Is(err, ErrDamaged) {
				return err
			}
		}
	}
	return to.setKept(kept)
}

// replace puts a new store in the mirror's place. A crash in between leaves
// the old one beside it; see cleanUp. The caller holds mu.
func (m *Mirror) replace(s *store) error {
	if m.store != nil {
		m.store.close()
		m.store = nil
	}
	old := m.dir + oldSuffix
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(m.dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(s.dir, m.dir); err != nil {
		return err
	}
	if err := syncPath(filepath.Dir(m.dir)); err != nil {
		return err
	}
	_ = os.RemoveAll(old)
	m.damaged = false
	opened, err := openStore(m.dir)
	if err != nil {
		return err
	}
	opened.complete, opened.base = s.complete, s.base
	m.store = opened
	return nil
}

// cleanUp removes what a process that was killed has left in the mirror and
// beside it. Where it had only taken the old mirror away, that comes back:
// broken as it may be, it can hold commits that the remote no longer has.
func (m *Mirror) cleanUp() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, base := filepath.Split(m.dir)
	if _, err := os.Lstat(m.dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(m.dir+oldSuffix, m.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	beside, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range beside {
		if strings.HasPrefix(e.Name(), base+newSuffix) || e.Name() == base+oldSuffix {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				return err
			}
		}
	}
	return removeLeftovers(filepath.Join(m.dir, "objects", "pack"))
}

// removeLeftovers removes packs that were not received to the end, and indexes
// whose pack is gone.
func removeLeftovers(packDir string) error {
	entries, err := os.ReadDir(packDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // no folder: damage, which is dealt with elsewhere
	}
	packs := map[string]bool{}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".pack"); ok {
			packs[name] = true
		}
	}
	for _, e := range entries {
		name, index := strings.CutSuffix(e.Name(), ".idx")
		if strings.HasPrefix(e.Name(), incomingPrefix) || index && !packs[name] {
			if err := os.Remove(filepath.Join(packDir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
