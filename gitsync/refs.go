package gitsync

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// refKeep is where the commits are named that must stay, whatever the branches do.
const refKeep = "refs/deployer/keep/"

// branch returns the commit that a branch was at when it was last fetched.
func (s *store) branch(name string) (plumbing.Hash, error) {
	ref, err := s.meta.Reference(plumbing.NewBranchReferenceName(name))
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return ref.Hash(), nil
}

// setBranch records a branch's tip. Branches that the remote no longer has
// are forgotten first, since their names can be in the way of new ones.
func (s *store) setBranch(name string, tip plumbing.Hash, remote map[string]plumbing.Hash) error {
	known, err := s.refs("refs/heads/")
	if err != nil {
		return err
	}
	for _, ref := range known {
		if _, ok := remote[ref.Name().String()]; !ok {
			if err := s.meta.RemoveReference(ref.Name()); err != nil {
				return err
			}
		} else if ref.Name().Short() == name && ref.Hash() == tip {
			return nil
		}
	}
	return s.meta.SetReference(plumbing.NewHashReference(plumbing.NewBranchReferenceName(name), tip))
}

// refs lists the references below a prefix.
func (s *store) refs(prefix string) ([]*plumbing.Reference, error) {
	iter, err := s.meta.IterReferences()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var refs []*plumbing.Reference
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if strings.HasPrefix(ref.Name().String(), prefix) && ref.Type() == plumbing.HashReference {
			refs = append(refs, ref)
		}
		return nil
	})
	return refs, err
}

// setKept keeps exactly these commits.
func (s *store) setKept(commits []plumbing.Hash) error {
	known, err := s.refs(refKeep)
	if err != nil {
		return err
	}
	for _, ref := range known {
		if !slices.Contains(commits, ref.Hash()) {
			if err := s.meta.RemoveReference(ref.Name()); err != nil {
				return err
			}
		}
	}
	for _, c := range commits {
		name := plumbing.ReferenceName(refKeep + c.String())
		if _, err := s.meta.Reference(name); err == nil {
			continue
		}
		if err := s.meta.SetReference(plumbing.NewHashReference(name, c)); err != nil {
			return err
		}
	}
	return nil
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
