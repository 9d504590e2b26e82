package gitsync

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
)

// validName reports whether a tree's entry is a plain name.
func validName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// parseCommit takes a full commit id only: a short one can become ambiguous.
func parseCommit(id string) (plumbing.Hash, error) {
	if !plumbing.IsHash(id) {
		return plumbing.ZeroHash, fmt.Errorf("%w: %q is not a commit id of 40 hexadecimal digits", ErrNotFound, id)
	}
	return plumbing.NewHash(id), nil
}

// validBranch refuses what is no branch's name before it becomes a path.
func validBranch(name string) error {
	ref := plumbing.NewBranchReferenceName(name)
	if name == "" || ref.Validate() != nil || !ref.IsSafe() {
		return fmt.Errorf("%w: %q is not a name that a branch can have", ErrBranchNotFound, name)
	}
	return nil
}

func isControlOrSpace(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
