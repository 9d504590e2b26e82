package gitsync

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxChanges bounds the files and folders that Diff looks at: a few objects
// can spell out more paths than there is memory for.
const maxChanges = 1 << 20

// Diff returns the paths of the files that differ between two snapshots,
// sorted: added, removed, or changed in content, mode or kind. Of a file that
// has moved both names are there. A nil snapshot is an empty tree. Folders
// that are equal are not read.
func Diff(ctx context.Context, a, b *Snapshot) ([]string, error) {
	d := differ{ctx: ctx, a: a, b: b}
	var roots [2]object.TreeEntry
	for i, s := range []*Snapshot{a, b} {
		if s != nil {
			roots[i] = object.TreeEntry{Mode: filemode.Dir, Hash: s.root}
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
	a, b   *Snapshot
	paths  []string
	looked int
}

// entries compares what two commits have at one path; a zero entry is nothing.
func (d *differ) entries(path string, a, b object.TreeEntry, depth int) error {
	if a.Hash == b.Hash && a.Mode == b.Mode {
		return nil
	}
	if d.looked++; d.looked > maxChanges {
		return fmt.Errorf("%w: more than %d changed files", ErrTooLarge, maxChanges)
	}
	if isFile(a) || isFile(b) {
		d.paths = append(d.paths, path)
	}
	if a.Mode != filemode.Dir && b.Mode != filemode.Dir {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: folders nested deeper than %d", ErrTooLarge, maxDepth)
	}
	return d.folders(path, a, b, depth)
}

func isFile(e object.TreeEntry) bool { return e.Mode != filemode.Empty && e.Mode != filemode.Dir }

// folders compares what is below a path that is a folder in one commit at least.
func (d *differ) folders(path string, a, b object.TreeEntry, depth int) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	before, err := listing(d.a, a)
	if err != nil {
		return err
	}
	after, err := listing(d.b, b)
	if err != nil {
		return err
	}
	if path != "" {
		path += "/"
	}
	for len(before) > 0 || len(after) > 0 {
		var x, y object.TreeEntry
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

func listing(s *Snapshot, e object.TreeEntry) ([]object.TreeEntry, error) {
	if e.Mode != filemode.Dir || e.Hash == plumbing.ZeroHash {
		return nil, nil
	}
	return s.entries(e.Hash)
}
