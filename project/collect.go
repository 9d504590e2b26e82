package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Collect removes the objects, copies and secrets below roots that no path of
// used is at or in. It must be given the roots of all stacks that share
// Objects; in used must be the Host of each mount of the releases that are to
// stay and of the runs under way, and what containers mount, all of them
// learned after the collection before ended. Data is never removed.
//
// Runs may materialise meanwhile: what they were provided with since the
// collection before began stays. A crash leaves nothing half removed under its
// name, and the next collection takes what is left. Collect goes on after an
// error, and returns what it has removed.
func Collect(roots []Roots, used []string) (removed []string, err error) {
	claimed.collecting.Lock()
	defer claimed.collecting.Unlock()
	claimed.turn()
	paths := make([]string, 0, 2*len(used))
	for _, p := range used {
		paths = append(paths, spellings(p)...)
	}
	shelves, err := shelvesOf(roots)
	for _, s := range shelves {
		gone, sweepErr := s.sweep(paths)
		removed, err = append(removed, gone...), errors.Join(err, sweepErr)
		if len(gone) > 0 {
			claimed.removeEmpty(string(s)) // such as a service's that is no more
		}
	}
	return removed, err
}

// A shelf is a folder whose entries are places, each kept or removed as a whole.
type shelf string

// shelvesOf lists the shelves below roots, each once.
func shelvesOf(roots []Roots) ([]shelf, error) {
	var found []shelf
	var err error
	for _, r := range roots {
		services, listErr := folders(r.Copies)
		err = errors.Join(err, listErr)
		for _, dir := range append(services, r.Objects, r.Secrets) {
			if dir != "" {
				found = append(found, shelf(filepath.Clean(dir)))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), err
}

// folders lists the folders in dir; nothing where it is not there.
func folders(dir string) ([]string, error) {
	entries, err := list(dir)
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, err
}

func list(dir string) ([]fs.DirEntry, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// placeName is what Materialise names places: by a hash, and a mode. Nothing
// else is ever removed.
var placeName = regexp.MustCompile(`^[0-9a-f]{32,64}(-[0-7]{4})?$`)

// sweep removes the places of a shelf that no path is at or in, and what
// killed processes have left there.
func (s shelf) sweep(used []string) (removed []string, err error) {
	entries, err := list(string(s))
	if err != nil {
		return nil, err
	}
	err = removeEach(leftovers(string(s)))
	stays := s.placesOf(used)
	var doomed []string
	for _, e := range entries {
		if !placeName.MatchString(e.Name()) {
			continue
		}
		p := filepath.Join(string(s), e.Name())
		if !stays[e.Name()] {
			now, doomErr := claimed.doom(p)
			err = errors.Join(err, doomErr)
			if now != "" {
				removed, doomed = append(removed, p), append(doomed, now)
				continue
			}
		}
		if e.IsDir() {
			err = errors.Join(err, removeEach(leftovers(p)))
		}
	}
	if len(doomed) > 0 { // the names must be gone on disk before the content is
		if syncErr := syncFolder(string(s)); syncErr != nil {
			return removed, errors.Join(err, syncErr)
		}
	}
	return removed, errors.Join(err, removeEach(doomed, nil))
}

// removeEach removes paths, and adds to err what prevents it.
func removeEach(paths []string, err error) error {
	for _, p := range paths {
		if removeErr := removeAll(p); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("remove %s: %w", p, removeErr))
		}
	}
	return err
}

// leftovers lists what killed processes were writing or removing in a folder.
func leftovers(dir string) ([]string, error) {
	claimed.mu.Lock()
	defer claimed.mu.Unlock()
	entries, err := list(dir)
	var left []string
	for _, e := range entries {
		p := filepath.Join(dir, e.Name())
		if claimed.abandoned(p) || strings.HasPrefix(e.Name(), doomedPrefix) {
			left = append(left, p)
		}
	}
	return left, err
}

// placesOf names the shelf's places that paths are at or in.
func (s shelf) placesOf(paths []string) map[string]bool {
	found := map[string]bool{}
	for _, dir := range spellings(string(s)) {
		for _, p := range paths {
			if rel, ok := strings.CutPrefix(p, dir+"/"); ok {
				name, _, _ := strings.Cut(rel, "/")
				found[name] = true
			}
		}
	}
	return found
}

// spellings are a path as it is given and with its symlinks followed.
func spellings(p string) []string {
	p = filepath.Clean(p)
	if real, err := filepath.EvalSymlinks(p); err == nil && real != p {
		return []string{p, real}
	}
	return []string{p}
}
