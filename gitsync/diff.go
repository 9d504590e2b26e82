package gitsync

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxChanges bounds the files and folders that Diff looks at: a few objects
// can spell out more paths than there is memory for.
const maxChanges = 1 << 20

// Diff returns the paths of the files that differ between two snapshots,
// sorted: added, removed, or changed in content, mode or kind. Of a file that
// has moved both names are there. A nil snapshot is an empty tree. Folders
// that are equal are not read. A submodule is compared by its content where
// that is in a mirror; else its path, with a slash at the end, stands for all
// that may be in it. Nothing is fetched.
func Diff(ctx context.Context, a, b *Snapshot) ([]string, error) {
	d := differ{ctx: ctx}
	var roots [2]spot
	for i, s := range []*Snapshot{a, b} {
		if s != nil {
			roots[i] = s.top()
		}
	}
	if err := d.entries("", roots[0], roots[1], 0); err != nil {
		return nil, fmt.Errorf("compare two commits: %w", err)
	}
	slices.Sort(d.paths)
	return slices.Compact(d.paths), nil
}

type differ struct {
	ctx    context.Context
	paths  []string
	looked int
}

// entries compares what two commits have at one path; a zero spot is nothing.
func (d *differ) entries(path string, a, b spot, depth int) error {
	if a.Hash == b.Hash && a.Mode == b.Mode {
		return nil
	}
	if d.looked++; d.looked > maxChanges {
		return fmt.Errorf("%w: more than %d changed files", ErrTooLarge, maxChanges)
	}
	if isFile(a.TreeEntry) || isFile(b.TreeEntry) {
		d.paths = append(d.paths, path)
	}
	before, known := d.folder(a)
	after, knownToo := d.folder(b)
	if !known || !knownToo {
		d.paths = append(d.paths, path+"/")
		return nil
	}
	if before.in == nil && after.in == nil {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: folders nested deeper than %d", ErrTooLarge, maxDepth)
	}
	return d.folders(path, before, after, depth)
}

func isFile(e object.TreeEntry) bool {
	return e.Mode != filemode.Empty && e.Mode != filemode.Dir && e.Mode != filemode.Submodule
}

// folder is the folder to read at a spot, a zero spot where there is none. It
// reports false for a submodule whose content is not there.
func (d *differ) folder(at spot) (spot, bool) {
	switch at.Mode {
	case filemode.Dir:
		return at, true
	case filemode.Submodule:
		sub := at.in.heldSubmodule(at.at, at.Hash)
		if sub == nil {
			return spot{}, false
		}
		return sub.top(), true
	}
	return spot{}, true
}

// folders compares what is below a path that is a folder in one commit at least.
func (d *differ) folders(path string, a, b spot, depth int) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	before, err := listing(a)
	if err != nil {
		return err
	}
	after, err := listing(b)
	if err != nil {
		return err
	}
	if path != "" {
		path += "/"
	}
	for len(before) > 0 || len(after) > 0 {
		var x, y spot
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].Name < after[0].Name:
			x, before = before[0], before[1:]
		case len(before) == 0 || after[0].Name < before[0].Name:
			y, after = after[0], after[1:]
		default:
			x, before = before[0], before[1:]
			y, after = after[0], after[1:]
		}
		if err := d.entries(path+max(x.Name, y.Name), x, y, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func listing(at spot) ([]spot, error) {
	if at.in == nil {
		return nil, nil
	}
	entries, err := at.in.entries(at.Hash)
	if err != nil {
		return nil, err
	}
	out := make([]spot, len(entries))
	for i, e := range entries {
		out[i] = at.below(e)
	}
	return out, nil
}
