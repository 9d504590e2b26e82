package gitsync

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// A store is a mirror's repository on disk. It is not safe for concurrent use.
type store struct {
	dir      string
	meta     *filesystem.Storage // references and the list of shallow commits
	objects  *packs
	complete map[plumbing.Hash]plumbing.Hash // commits whose every object is there → their tree
	base     plumbing.Hash                   // the tree that was last found complete
}

// createStore makes an empty repository.
func createStore(dir string) (*store, error) {
	meta := filesystem.NewStorage(osfs.New(dir), nil)
	if _, err := git.Init(meta, nil); err != nil {
		return nil, err
	}
	return openStore(dir)
}

// openStore opens a repository: fs.ErrNotExist where there is none, ErrDamaged
// where it is not sound.
func openStore(dir string) (*store, error) {
	s, err := readStore(dir)
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		s.close()
		return nil, err
	}
	leftovers, _ := filepath.Glob(filepath.Join(s.packDir(), incomingPrefix+"*"))
	for _, path := range leftovers {
		_ = os.Remove(path)
	}
	return s, nil
}

// readStore opens a repository whose objects can be read, if nothing else.
func readStore(dir string) (*store, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	s := &store{dir: dir, meta: filesystem.NewStorage(osfs.New(dir), nil)}
	return s, s.load(cache.NewObjectLRU(cacheSize))
}

func (s *store) packDir() string { return filepath.Join(s.dir, "objects", "pack") }

func (s *store) close() { s.objects.close() }

// load opens the packs that are there now.
func (s *store) load(objects cache.Object) error {
	opened, err := openPacks(s.packDir(), objects)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.objects != nil {
		s.objects.close()
	}
	s.objects = opened
	return nil
}

// check reports whether the repository is as it was left: packs whole,
// references readable and their commits there. It costs a few small reads.
func (s *store) check() error {
	for _, name := range []string{"HEAD", "config"} {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err != nil || info.Size() == 0 {
			return fmt.Errorf("%w: %s is gone or empty", ErrDamaged, name)
		}
	}
	state, err := packState(s.packDir())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if state != s.objects.state {
		s.complete = nil
		if err := s.load(s.objects.cache); err != nil {
			return err
		}
	}
	refs, err := s.meta.IterReferences()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return refs.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference && !s.objects.has(ref.Hash()) {
			return fmt.Errorf("%w: %s points to nothing", ErrDamaged, ref.Name())
		}
		return nil
	})
}

// add makes a received pack part of the store.
func (s *store) add(in *incoming) error {
	if in.pack == "" {
		return nil
	}
	if err := in.install(); err != nil {
		return err
	}
	return s.load(s.objects.cache)
}

func (s *store) commit(h plumbing.Hash) (*object.Commit, error) {
	return object.GetCommit(s.objects, h)
}

// addShallow records where the history ends, so that git itself can read the mirror.
func (s *store) addShallow(commits []plumbing.Hash) error {
	known, err := s.meta.Shallow()
	if err != nil {
		return err
	}
	before := len(known)
	for _, c := range commits {
		if !slices.Contains(known, c) {
			known = append(known, c)
		}
	}
	if len(known) == before {
		return nil
	}
	return s.meta.SetShallow(known)
}
