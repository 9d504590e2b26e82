package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// KeepSubmodules makes the mirrors of submodules keep what is read of these
// commits, given the paths that are, and removes the mirrors of which nothing
// is. What a snapshot in use has entered stays until the next time. A commit
// that the mirror does not hold, and what was never fetched, is passed over.
// It returns the folders that were removed.
func (m *Mirror) KeepSubmodules(ctx context.Context, read map[string][]string) (removed []string, err error) {
	if _, err := os.Stat(m.modulesDir()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	needed := map[string][]string{}
	for commit, paths := range read {
		snap, err := m.Snapshot(ctx, commit)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		snap.need(paths, needed)
	}
	folders, err := os.ReadDir(m.modulesDir())
	if err != nil {
		return nil, err
	}
	for _, e := range folders {
		// A crash can have left one that was being removed or replaced.
		name, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), oldSuffix), ".git")
		if !ok {
			continue
		}
		dir := filepath.Join(m.modulesDir(), name+".git")
		one := m.moduleAt(dir)
		if commits := needed[dir]; len(commits) > 0 {
			err = errors.Join(err, one.Keep(commits...))
			continue
		}
		gone, removeErr := one.remove(ctx)
		if removeErr != nil {
			err = errors.Join(err, fmt.Errorf("remove the mirror of submodule %s: %w", name, removeErr))
		}
		if gone {
			removed = append(removed, dir)
		}
	}
	_ = os.Remove(m.modulesDir()) // where nothing is left in it
	return removed, err
}

// need adds the commits of the submodules that lie on the way to one of the
// paths, or below it. Of nested ones it knows those that were fetched.
func (s *Snapshot) need(paths []string, needed map[string][]string) {
	for _, at := range s.SubmodulePaths() {
		inside := below(at, paths)
		if len(inside) == 0 {
			continue
		}
		e, err := s.find(at)
		if err != nil || e.Mode != filemode.Submodule {
			continue
		}
		to, _, err := s.lookUp(at)
		if err != nil {
			continue
		}
		dir := s.reach.mirror.moduleDir(to.String())
		needed[dir] = append(needed[dir], e.Hash.String())
		if sub := s.heldSubmodule(at, e.Hash); sub != nil {
			sub.need(inside, needed)
		}
	}
}

// below are the paths that lie in a folder, seen from there; "." where one is
// the folder or holds it.
func below(folder string, paths []string) []string {
	var out []string
	for _, p := range paths {
		p = path.Clean(p)
		if rest, ok := strings.CutPrefix(p, folder+"/"); ok {
			out = append(out, rest)
		} else if p == "." || p == folder || strings.HasPrefix(folder, p+"/") {
			out = append(out, ".")
		}
	}
	return out
}

// remove takes the mirror off the disk, unless something still uses it. A
// later fetch makes it anew.
func (m *Mirror) remove(ctx context.Context) (bool, error) {
	if len(m.network) > 0 {
		return false, nil // it is fetched into
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live = slices.DeleteFunc(m.live, gone)
	if len(m.live) > 0 {
		return false, nil
	}
	if m.store != nil {
		m.store.close()
		m.store = nil
	}
	doomed := m.dir + oldSuffix // a crash leaves what cleanUp brings back
	switch err := os.Rename(m.dir, doomed); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, os.RemoveAll(doomed)
}
