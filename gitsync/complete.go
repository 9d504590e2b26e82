package gitsync

import (
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxDepth bounds how deep folders may be nested.
const maxDepth = 512

// maxTree bounds the size of one folder's tree object.
const maxTree = 64 << 20

// isComplete reports whether every object of a commit's tree is there. It must
// be asked after each fetch: what is offered to the remote is offered without
// saying that the history behind it is cut off, so a server leaves out what it
// thinks is in that history, and content that a commit brings back is missing.
// Saying so would be dearer: for a branch rewritten below the cut, a server
// would then send all of its history.
func (s *store) isComplete(commit plumbing.Hash) (bool, error) {
	if _, ok := s.complete[commit]; ok {
		return true, nil
	}
	c, err := s.commit(commit)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w := completeness{store: s, seen: map[plumbing.Hash]bool{}}
	ok, err := w.tree(c.TreeHash, s.base, 0)
	if err != nil || !ok {
		return false, err
	}
	s.know(commit, c.TreeHash)
	return true, nil
}

// know remembers that all of a commit is there.
func (s *store) know(commit, tree plumbing.Hash) {
	if s.complete == nil {
		s.complete = map[plumbing.Hash]plumbing.Hash{}
	}
	s.complete[commit], s.base = tree, tree
}

// completeness walks a tree beside another one that is known to be complete,
// and skips what both have.
type completeness struct {
	store *store
	seen  map[plumbing.Hash]bool
}

func (w completeness) tree(tree, base plumbing.Hash, depth int) (bool, error) {
	if tree == base || w.seen[tree] {
		return true, nil
	}
	if depth > maxDepth {
		return false, fmt.Errorf("%w: folders nested deeper than %d", ErrTooLarge, maxDepth)
	}
	entries, err := w.store.tree(tree)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	known := map[string]plumbing.Hash{}
	if !base.IsZero() {
		// The base only saves time; where it cannot be read, all is looked at.
		olds, _ := w.store.tree(base)
		for _, e := range olds {
			known[e.Name] = e.Hash
		}
	}
	for _, e := range entries {
		ok, err := w.entry(e, known[e.Name], depth)
		if err != nil || !ok {
			return false, err
		}
	}
	w.seen[tree] = true
	return true, nil
}

func (w completeness) entry(e object.TreeEntry, base plumbing.Hash, depth int) (bool, error) {
	switch {
	case e.Mode == filemode.Submodule || e.Hash == base:
		return true, nil
	case e.Mode == filemode.Dir:
		return w.tree(e.Hash, base, depth+1)
	default:
		return w.store.objects.has(e.Hash), nil
	}
}

func (s *store) tree(h plumbing.Hash) ([]object.TreeEntry, error) { return readTree(s.objects, h) }

// readTree reads a tree object. Names that would lead out of the folder are
// refused here, so that nothing above has to think of them.
func readTree(p *packs, h plumbing.Hash) ([]object.TreeEntry, error) {
	size, err := p.EncodedObjectSize(h)
	if err != nil {
		return nil, err
	}
	if size > maxTree {
		return nil, fmt.Errorf("tree %s: %w: %d bytes", h, ErrTooLarge, size)
	}
	t, err := object.GetTree(p, h)
	if err != nil {
		return nil, err
	}
	for _, e := range t.Entries {
		if !validName(e.Name) {
			return nil, fmt.Errorf("tree %s holds an entry named %q, which no working git makes: refused", h, e.Name)
		}
	}
	return t.Entries, nil
}
