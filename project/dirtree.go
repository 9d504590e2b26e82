package project

import (
	"crypto/sha1" //nolint:gosec // Git's own hash; nothing is trusted because of it
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// A DirTree is a folder on this machine as a Tree: what a commit of all that
// is in it would have. It does not read .gitignore. A submodule is a folder
// like others, where it is checked out; to look into one that is not is an
// error. Close releases it.
type DirTree struct {
	dir     string
	root    *os.Root
	modules func() []string // where .gitmodules has submodules
	fs      interface {
		fs.ReadFileFS
		fs.ReadDirFS
		fs.ReadLinkFS
	}
}

// gitFolder is where Git keeps what is not a part of any commit.
const gitFolder = ".git"

// OpenDirTree opens a folder. No path in it, and no symlink, leads out of it.
func OpenDirTree(dir string) (*DirTree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &DirTree{dir: dir, root: root}
	t.modules = sync.OnceValue(t.findModules)
	t.fs = root.FS().(interface { // so says os.Root.FS
		fs.ReadFileFS
		fs.ReadDirFS
		fs.ReadLinkFS
	})
	return t, nil
}

// Close releases the folder.
func (t *DirTree) Close() error { return t.root.Close() }

// Open implements fs.FS.
func (t *DirTree) Open(name string) (fs.File, error) {
	f, err := t.fs.Open(name)
	return f, t.explain(name, err)
}

// ReadFile implements fs.ReadFileFS.
func (t *DirTree) ReadFile(name string) ([]byte, error) {
	data, err := t.fs.ReadFile(name)
	return data, t.explain(name, err)
}

// ReadLink implements fs.ReadLinkFS.
func (t *DirTree) ReadLink(name string) (string, error) {
	target, err := t.fs.ReadLink(name)
	return target, t.explain(name, err)
}

// Lstat implements fs.ReadLinkFS.
func (t *DirTree) Lstat(name string) (fs.FileInfo, error) {
	info, err := t.fs.Lstat(name)
	return info, t.explain(name, err)
}

// Stat implements fs.StatFS. As in every Tree, it describes a symlink itself.
func (t *DirTree) Stat(name string) (fs.FileInfo, error) { return t.Lstat(name) }

// ReadDir implements fs.ReadDirFS. It leaves out what Git keeps for itself.
func (t *DirTree) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := t.fs.ReadDir(name)
	list = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() == gitFolder })
	if err == nil && len(list) == 0 && slices.Contains(t.modules(), name) {
		return nil, &UnfetchedError{Path: name}
	}
	return list, t.explain(name, err)
}

// Hash implements Tree.
func (t *DirTree) Hash(name string) (string, error) {
	if _, err := t.Lstat(name); err != nil {
		return "", err
	}
	if slices.Contains(t.modules(), name) {
		if _, err := t.ReadDir(name); err != nil {
			return "", err
		}
	}
	sum, _, err := gitHasher{function: sha1.New, worktree: true}.entry(filepath.Join(t.dir, filepath.FromSlash(name)))
	if err == nil && sum == nil {
		err = &fs.PathError{Op: "hash", Path: name, Err: fs.ErrNotExist}
	}
	return hex.EncodeToString(sum), err
}
