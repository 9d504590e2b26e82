package project

import (
	"crypto/sha1" //nolint:gosec // Git's own hash; nothing is trusted because of it
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A DirTree is a folder on this machine as a Tree: what a commit of all that
// is in it would have. It does not read .gitignore. Close releases it.
type DirTree struct {
	dir  string
	root *os.Root
	fs   interface {
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
func (t *DirTree) Open(name string) (fs.File, error) { return t.fs.Open(name) }

// ReadFile implements fs.ReadFileFS.
func (t *DirTree) ReadFile(name string) ([]byte, error) { return t.fs.ReadFile(name) }

// ReadLink implements fs.ReadLinkFS.
func (t *DirTree) ReadLink(name string) (string, error) { return t.fs.ReadLink(name) }

// Lstat implements fs.ReadLinkFS.
func (t *DirTree) Lstat(name string) (fs.FileInfo, error) { return t.fs.Lstat(name) }

// Stat implements fs.StatFS. As in every Tree, it describes a symlink itself.
func (t *DirTree) Stat(name string) (fs.FileInfo, error) { return t.fs.Lstat(name) }

// ReadDir implements fs.ReadDirFS. It leaves out what Git keeps for itself.
func (t *DirTree) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := t.fs.ReadDir(name)
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() == gitFolder }), err
}

// Hash implements Tree.
func (t *DirTree) Hash(name string) (string, error) {
	if _, err := t.Lstat(name); err != nil {
		return "", err
	}
	sum, err := gitHash(filepath.Join(t.dir, filepath.FromSlash(name)), hex.EncodedLen(sha1.Size))
	if err == nil && sum == "" {
		err = &fs.PathError{Op: "hash", Path: name, Err: fs.ErrNotExist}
	}
	return sum, err
}
