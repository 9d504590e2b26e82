package gitsync

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Hash returns the Git hash of the file or folder at path; "." is the root.
// For a symlink it is that of its target's text. A submodule counts as the
// folder that it is on disk, so that content has one hash wherever it is
// from: that of its commit's tree, also within the hash of a folder around it.
func (s *Snapshot) Hash(path string) (string, error) {
	e, err := s.find(path)
	var h plumbing.Hash
	if err == nil {
		h, err = e.contentHash(0)
	}
	if err != nil {
		return "", &fs.PathError{Op: "hash", Path: path, Err: err}
	}
	return h.String(), nil
}

func (at spot) contentHash(depth int) (plumbing.Hash, error) {
	if at.Mode != filemode.Dir && at.Mode != filemode.Submodule {
		return at.Hash, nil
	}
	if depth > maxDepth {
		return at.Hash, fmt.Errorf("%w: folders nested deeper than %d", ErrTooLarge, maxDepth)
	}
	folder, err := at.inside()
	if err != nil {
		return at.Hash, err
	}
	has, err := folder.in.hasLinks(folder.at)
	if err != nil || !has {
		return folder.Hash, err
	}
	entries, err := folder.in.entries(folder.Hash)
	if err != nil {
		return at.Hash, err
	}
	replaced := make([]object.TreeEntry, 0, len(entries))
	for _, e := range entries {
		if e.Mode == filemode.Dir || e.Mode == filemode.Submodule {
			if e.Hash, err = folder.below(e).contentHash(depth + 1); err != nil {
				return at.Hash, err
			}
			e.Mode = filemode.Dir
			if e.Hash == emptyTree {
				continue // on disk it is an empty folder, which Git does not know
			}
		}
		replaced = append(replaced, e)
	}
	return treeHash(replaced), nil
}

var emptyTree = plumbing.ComputeHash(plumbing.TreeObject, nil)

// treeHash is the hash of a folder with these entries.
func treeHash(entries []object.TreeEntry) plumbing.Hash {
	// Git sorts a folder as if its name ended in a slash.
	key := func(e object.TreeEntry) string {
		if e.Mode == filemode.Dir {
			return e.Name + "/"
		}
		return e.Name
	}
	slices.SortFunc(entries, func(a, b object.TreeEntry) int { return strings.Compare(key(a), key(b)) })
	var body bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&body, "%o %s\x00", uint32(e.Mode), e.Name)
		body.Write(e.Hash[:])
	}
	return plumbing.ComputeHash(plumbing.TreeObject, body.Bytes())
}
