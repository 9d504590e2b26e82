package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// A MissingContentError says that a mount's content is neither on the host nor
// in the tree.
type MissingContentError struct {
	Mount Mount
	Err   error
}

func (e *MissingContentError) Error() string {
	return fmt.Sprintf("content of %s (%s) for service %s is no longer on this host, and the kept release has no copy of it; deploy its commit again", e.Mount.Path, brief(e.Mount.Hash), e.Mount.Service)
}

func (e *MissingContentError) Unwrap() error { return e.Err }

// A FullDiskError says that there is no room for what a service mounts.
type FullDiskError struct {
	Folder string
	Err    error
}

func (e *FullDiskError) Error() string { return "no space left on the disk of " + e.Folder }
func (e *FullDiskError) Unwrap() error { return e.Err }

// Hint says what an operator can do.
func (e *FullDiskError) Hint() string {
	return "free space there and deploy again; what containers mount is unharmed"
}

// Materialise provides the content of mounts on this host. Content that is
// there already is left alone, so that a repetition costs a stat per mount; new
// content appears at once or not at all, on disk before it has its name.
// Where the tree is a Recipe and content is missing, the error is a
// *MissingContentError. Concurrent calls may share roots, also with Collect.
func Materialise(tree Tree, mounts []Mount) error {
	named := map[string]bool{} // folders that have got a new name in them
	for _, m := range mounts {
		if err := materialise(tree, m, named); err != nil {
			var missing *MissingContentError
			if errors.As(err, &missing) {
				return err
			}
			if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
				err = &FullDiskError{Folder: filepath.Dir(m.place()), Err: err}
			}
			return fmt.Errorf("mount at %s for service %s: %w", m.Target, m.Service, err)
		}
	}
	for folder := range named {
		if err := syncFolder(folder); err != nil {
			return fmt.Errorf("write %s to disk: %w", folder, err)
		}
	}
	return nil
}

func materialise(tree Tree, m Mount, named map[string]bool) error {
	if m.Kind == MountHost {
		return nil
	}
	if there, err := claimed.claim(m); there || err != nil {
		return err
	}
	switch {
	case m.Kind == MountSecret:
		return install(m.Host, 0o700, func(tmp string) error { return writeSecret(tmp, m) })
	case m.Kind == MountObject, m.Kind == MountCopy, m.Seed:
		named[filepath.Dir(m.Host)], named[filepath.Dir(filepath.Dir(m.Host))] = true, true
		return materialiseTracked(tree, m)
	case m.Dir:
		return os.MkdirAll(m.Host, 0o755)
	}
	return os.MkdirAll(filepath.Dir(m.Host), 0o755)
}

func materialiseTracked(tree Tree, m Mount) error {
	if hash, err := tree.Hash(m.Path); err != nil || m.Hash != "" && hash != m.Hash {
		return &MissingContentError{Mount: m, Err: err}
	}
	c := copier{tree: tree, top: m.Path, mode: m.Mode, readOnly: m.Kind == MountObject}
	err := install(m.Host, 0o755, func(tmp string) error { return c.copy(m.Path, tmp) })
	if errors.Is(err, ErrNoContent) {
		return &MissingContentError{Mount: m, Err: err}
	}
	if err == nil && m.Dir && c.readOnly {
		// Only now: a folder that is read-only cannot be moved by its owner.
		err = os.Chmod(m.Host, 0o555)
	}
	return err
}

// install makes what write writes appear at host in one step.
func install(host string, folderMode fs.FileMode, write func(tmp string) error) error {
	scratch, err := claimed.begin(filepath.Dir(host), folderMode)
	if err != nil {
		return err
	}
	defer claimed.end(scratch)
	tmp := filepath.Join(scratch, filepath.Base(host))
	if err := write(tmp); err != nil {
		return err
	}
	err = os.Rename(tmp, host)
	if _, other := os.Lstat(host); err != nil && other == nil {
		return nil // another run was first, with the same content
	}
	return err
}

func writeSecret(tmp string, m Mount) error {
	mode := m.Mode
	if mode == 0 {
		mode = 0o600
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, m.Content.Reveal())
	if err == nil && m.UID|m.GID != 0 {
		err = f.Chown(m.UID, m.GID)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	return errors.Join(err, f.Close())
}

// A copier writes tracked content to disk.
type copier struct {
	tree     Tree
	top      string // what is mounted; symlinks must stay inside
	mode     fs.FileMode
	readOnly bool
}

func (c *copier) copy(p, to string) error {
	info, err := fs.Lstat(c.tree, p)
	if err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return c.link(p, to)
	case info.IsDir():
		return c.folder(p, to)
	case info.Mode().IsRegular():
		return c.file(p, to, info.Mode())
	}
	return fmt.Errorf("%s is neither a file, a folder nor a symlink; take it out of the mounted folder", p)
}

func (c *copier) folder(p, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	entries, err := fs.ReadDir(c.tree, p)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.copy(path.Join(p, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	if c.readOnly && p != c.top {
		if err := os.Chmod(to, 0o555); err != nil {
			return err
		}
	}
	return syncFolder(to)
}

func (c *copier) file(p, to string, tracked fs.FileMode) error {
	mode := fs.FileMode(0o644)
	if tracked&0o111 != 0 {
		mode = 0o755
	}
	if c.readOnly {
		mode &^= 0o222
	}
	if c.mode != 0 {
		mode = c.mode
	}
	in, err := c.tree.Open(p)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(mode)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// link keeps a symlink that stays inside what is mounted.
func (c *copier) link(p, to string) error {
	target, err := fs.ReadLink(c.tree, p)
	if err != nil {
		return err
	}
	at := path.Join(path.Dir(p), target)
	if path.IsAbs(target) || !within(c.top, at) || at == ".." || strings.HasPrefix(at, "../") {
		return fmt.Errorf("%s is a symlink to %s, outside the mounted folder; commit the file itself", p, target)
	}
	return os.Symlink(target, to)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeAll removes a folder whose own folders may be read-only.
func removeAll(dir string) error {
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(p, 0o700) //nolint:gosec // a folder about to be removed
		}
		return nil
	})
	return os.RemoveAll(dir)
}
