package gitsync

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// compact rebuilds the mirror from what must stay: the branches' tips, what is
// kept, and snapshots in use. Each pack costs an open file and its index in
// memory, so there must not be one for every push. The caller holds mu.
func (m *Mirror) compact() error {
	dir, err := m.workDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := createStore(dir)
	if err != nil {
		return err
	}
	defer s.close()
	heads, err := m.store.refs("refs/heads/")
	if err != nil {
		return m.note(err)
	}
	for _, ref := range heads {
		if err := copyCommit(s, m.store, ref.Hash()); err != nil {
			return m.note(err)
		}
		if err := s.meta.SetReference(ref); err != nil {
			return err
		}
	}
	m.salvage(s, m.store)
	return m.replace(s)
}

// salvage copies what is kept or in use to a new store, as far as the old one
// still holds it: what cannot be read is lost already. The caller holds mu.
func (m *Mirror) salvage(to, from *store) {
	var kept []plumbing.Hash
	for _, h := range keptIn(from.dir) {
		if copyCommit(to, from, h) == nil {
			kept = append(kept, h)
		}
	}
	_ = to.setKept(kept)
	for _, w := range m.live {
		if snap := w.Value(); snap != nil {
			_ = copyCommit(to, from, snap.commit)
		}
	}
}

// copyCommit copies a commit and its tree, not its history.
func copyCommit(to, from *store, commit plumbing.Hash) error {
	if ok, err := to.isComplete(commit); ok || err != nil {
		return err
	}
	c, err := from.commit(commit)
	if err != nil {
		return err
	}
	b := batch{to: to, from: from, seen: map[plumbing.Hash]bool{}}
	if err := b.tree(c.TreeHash, 0); err != nil {
		return err
	}
	if err := b.object(commit); err != nil {
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	if ok, err := to.isComplete(commit); err != nil || !ok {
		return fmt.Errorf("%w: commit %s lacks objects", ErrDamaged, commit)
	}
	return to.addShallow([]plumbing.Hash{commit})
}

// batchSize bounds the objects that are in memory while they are copied.
const batchSize = 16 << 20

// A batch collects objects to be copied in one pack.
type batch struct {
	to, from *store
	seen     map[plumbing.Hash]bool
	hashes   []plumbing.Hash
	size     int64
}

func (b *batch) tree(h plumbing.Hash, depth int) error {
	if b.seen[h] {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: folders nested deeper than %d", ErrTooLarge, maxDepth)
	}
	entries, err := b.from.tree(h)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Mode {
		case filemode.Submodule:
			continue
		case filemode.Dir:
			err = b.tree(e.Hash, depth+1)
		default:
			err = b.object(e.Hash)
		}
		if err != nil {
			return err
		}
	}
	return b.object(h)
}

func (b *batch) object(h plumbing.Hash) error {
	if b.seen[h] || b.to.objects.has(h) {
		return nil
	}
	b.seen[h] = true
	size, err := b.from.objects.EncodedObjectSize(h)
	if err != nil {
		return err
	}
	b.hashes = append(b.hashes, h)
	if b.size += size; b.size < batchSize {
		return nil
	}
	return b.flush()
}

func (b *batch) flush() error {
	if len(b.hashes) == 0 {
		return nil
	}
	r, w := io.Pipe()
	go func() {
		_, err := packfile.NewEncoder(w, b.from.objects, false).Encode(b.hashes, 0)
		w.CloseWithError(err)
	}()
	in, err := receivePack(b.to.packDir(), r, 1<<62)
	r.Close()
	if err != nil {
		return err
	}
	b.hashes, b.size = nil, 0
	return b.to.add(in)
}

// workDir makes an empty folder beside the mirror, and removes what a crash
// has left of earlier ones.
func (m *Mirror) workDir() (string, error) {
	parent, base := filepath.Split(filepath.Clean(m.dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	leftovers, _ := filepath.Glob(filepath.Join(parent, base+".new-*"))
	for _, path := range leftovers {
		_ = os.RemoveAll(path)
	}
	return os.MkdirTemp(parent, base+".new-*")
}

// replace puts a new store in the mirror's place. A crash in between leaves no
// mirror, which the next fetch clones. The caller holds mu.
func (m *Mirror) replace(s *store) error {
	if m.store != nil {
		m.store.close()
		m.store = nil
	}
	old := s.dir + ".old"
	if err := os.Rename(m.dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer os.RemoveAll(old)
	if err := os.Rename(s.dir, m.dir); err != nil {
		return err
	}
	m.damaged = false
	opened, err := openStore(m.dir)
	if err != nil {
		return err
	}
	opened.complete, opened.base = s.complete, s.base
	m.store = opened
	return nil
}
