package gitsync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
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

// createStore makes an empty repository. On a full disk go-git's own Init
// leaves files empty and says nothing.
func createStore(dir string) (*store, error) {
	s := &store{dir: dir}
	for _, folder := range []string{s.packDir(), filepath.Join(dir, "refs")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
	}
	err := errors.Join(
		s.writeFile("HEAD", "ref: refs/heads/main\n"),
		s.writeFile("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"))
	if err != nil {
		return nil, err
	}
	return openStore(dir)
}

// openStore opens a repository: fs.ErrNotExist where there is none, ErrDamaged
// where it is not sound.
func openStore(dir string) (*store, error) {
	s, err := readStore(dir)
	if err == nil {
		err = s.check()
	}
	if err != nil && s != nil {
		s.objects.close()
	}
	return s, err
}

// readStore opens a repository, whatever state its references are in. With
// ErrDamaged it returns what can still be read.
func readStore(dir string) (*store, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	s := &store{dir: dir, meta: filesystem.NewStorage(osfs.New(dir), nil)}
	var err error
	if s.objects, err = openPacks(s.packDir()); err != nil {
		return s, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

func (s *store) packDir() string { return filepath.Join(s.dir, "objects", "pack") }

func (s *store) close() { s.objects.close() }

// refresh takes up the packs that are there now.
func (s *store) refresh() error {
	lost, err := s.objects.refresh()
	if lost || err != nil {
		s.complete, s.base = nil, plumbing.ZeroHash
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
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
	if err := s.refresh(); err != nil {
		return err
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
	s.objects.unsettled = append(s.objects.unsettled, packPrefix+in.checksum.String())
	return s.refresh()
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
	return s.setShallow(known)
}

func (s *store) setShallow(commits []plumbing.Hash) error {
	var lines strings.Builder
	for _, c := range commits {
		fmt.Fprintln(&lines, c)
	}
	return s.writeFile("shallow", lines.String())
}

// writeFile gives a file of the repository its content in one step: after a
// crash or on a full disk it has the old one, where go-git would leave it empty.
func (s *store) writeFile(name, content string) error { return s.replaceFile(name, content, true) }

// replaceFile does the same. Without sync only a crash of deployer leaves the
// old one; one of the machine may leave it empty.
func (s *store) replaceFile(name, content string, sync bool) error {
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.packDir(), incomingPrefix+"*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
