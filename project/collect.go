package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WrittenCopies returns the copies whose content is no longer what Git has,
// because a container wrote into them.
func WrittenCopies(mounts []Mount) ([]Mount, error) {
	var out []Mount
	for _, m := range mounts {
		if m.Kind != MountCopy {
			continue
		}
		hash, err := gitHash(m.Host, len(m.Hash))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for changes in the copy of %s for service %s: %w", m.Path, m.Service, err)
		}
		if hash != m.Hash {
			out = append(out, m)
		}
	}
	return out, nil
}

// Collect removes objects, copies and secrets below roots that no mount of
// used has. Mounts of every release that is to be kept, and of every container
// that exists, must be in used. Data is never removed. Collect must not run
// while content is being materialised below the same roots. It goes on after
// an error, and returns what it has removed.
func Collect(roots Roots, used []Mount) (removed []string, err error) {
	keep := map[string]bool{}
	for _, m := range used {
		if m.Kind == MountObject || m.Kind == MountCopy {
			keep[filepath.Dir(m.Host)] = true // named by the hash
		}
		keep[m.Host] = true
	}
	var candidates []string
	for _, find := range []struct {
		root    string
		depth   int
		scratch bool
	}{
		{roots.Objects, 1, false}, {roots.Copies, 2, false}, {roots.Secrets, 1, false},
		{roots.Objects, 2, true}, {roots.Copies, 3, true},
	} {
		found, readErr := below(find.root, find.depth)
		err = errors.Join(err, readErr)
		for _, p := range found {
			if !find.scratch || strings.HasPrefix(filepath.Base(p), scratchPrefix) {
				candidates = append(candidates, p)
			}
		}
	}
	for _, p := range candidates {
		if keep[p] {
			continue
		}
		if removeErr := removeAll(p); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("remove %s: %w", p, removeErr))
			continue
		}
		removed = append(removed, p)
	}
	return removed, errors.Join(err, removeEmpty(roots.Copies))
}

// below lists what lies exactly depth folders below root; nothing where root
// is not there.
func below(root string, depth int) ([]string, error) {
	if root == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		p := filepath.Join(root, e.Name())
		if depth == 1 {
			out = append(out, p)
			continue
		}
		if !e.IsDir() {
			continue
		}
		deeper, err := below(p, depth-1)
		if err != nil {
			return nil, err
		}
		out = append(out, deeper...)
	}
	return out, nil
}

// removeEmpty removes the folders of services that have no copy left.
func removeEmpty(copies string) error {
	services, err := below(copies, 1)
	for _, dir := range services {
		inside, readErr := os.ReadDir(dir)
		if readErr == nil && len(inside) == 0 {
			err = errors.Join(err, os.Remove(dir))
		}
	}
	return err
}
