package gitsync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// refHeads is where the branches are that were fetched.
const refHeads = "refs/heads/"

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
	known, err := s.refs(refHeads)
	if err != nil {
		return err
	}
	for _, ref := range known {
		if _, ok := remote[ref.Name().String()]; !ok {
			if err := s.removeRef(ref.Name()); err != nil {
				return err
			}
		} else if ref.Name().Short() == name && ref.Hash() == tip {
			return nil
		}
	}
	// One that is empty after a crash is damage, and fetched again.
	return s.replaceFile(refHeads+name, tip.String()+"\n", false)
}

func (s *store) setRef(name plumbing.ReferenceName, h plumbing.Hash) error {
	return s.writeFile(name.String(), h.String()+"\n")
}

// removeRef removes a reference, and the folders of its name that are empty then.
func (s *store) removeRef(name plumbing.ReferenceName) error {
	path := filepath.Join(s.dir, filepath.FromSlash(name.String()))
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for n := strings.Count(name.String(), "/"); n > 2; n-- {
		if path = filepath.Dir(path); os.Remove(path) != nil {
			break
		}
	}
	return nil
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
