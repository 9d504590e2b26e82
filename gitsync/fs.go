package gitsync

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

var (
	_ fs.ReadFileFS = (*Snapshot)(nil)
	_ fs.ReadDirFS  = (*Snapshot)(nil)
	_ fs.StatFS     = (*Snapshot)(nil)
	_ fs.ReadLinkFS = (*Snapshot)(nil)
)

// Open implements fs.FS. The content of a file is read at once.
func (s *Snapshot) Open(name string) (fs.File, error) {
	e, err := s.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if e.Mode == filemode.Dir || e.Mode == filemode.Submodule {
		list, err := e.list()
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &openDir{info: e.info(), list: list}, nil
	}
	data, err := e.content()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	i := e.info()
	i.known, i.bytes = true, int64(len(data))
	return &openFile{Reader: bytes.NewReader(data), info: i}, nil
}

// ReadFile implements fs.ReadFileFS. Files above MaxFile are ErrTooLarge.
func (s *Snapshot) ReadFile(name string) ([]byte, error) {
	e, err := s.find(name)
	var data []byte
	if err == nil {
		data, err = e.content()
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

// ReadDir implements fs.ReadDirFS.
func (s *Snapshot) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := s.find(name)
	var list []fs.DirEntry
	if err == nil {
		list, err = e.list()
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return list, nil
}

// Stat implements fs.StatFS. It describes a symlink itself.
func (s *Snapshot) Stat(name string) (fs.FileInfo, error) {
	e, err := s.find(name)
	var i fs.FileInfo
	if err == nil {
		i, err = e.info().Info()
	}
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return i, nil
}

// Lstat implements fs.ReadLinkFS; it is Stat.
func (s *Snapshot) Lstat(name string) (fs.FileInfo, error) { return s.Stat(name) }

// ReadLink implements fs.ReadLinkFS. The target is what the repository says,
// and may lead anywhere.
func (s *Snapshot) ReadLink(name string) (string, error) {
	e, err := s.find(name)
	if err == nil && e.Mode != filemode.Symlink {
		err = fs.ErrInvalid
	}
	var target []byte
	if err == nil {
		target, err = e.in.blob(e.Hash)
	}
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(target), nil
}

// content reads what is a regular file.
func (at spot) content() ([]byte, error) {
	switch at.Mode {
	case filemode.Dir, filemode.Submodule:
		return nil, fmt.Errorf("%s is a folder: %w", at.Name, fs.ErrInvalid)
	case filemode.Symlink:
		return nil, enter(at.TreeEntry)
	}
	return at.in.blob(at.Hash)
}

// list reads what is a folder.
func (at spot) list() ([]fs.DirEntry, error) {
	folder, err := at.inside()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a folder: %w", at.Name, fs.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	entries, err := folder.in.entries(folder.Hash)
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		list[i] = folder.below(e).info()
	}
	return list, nil
}

func (at spot) info() *info { return &info{snapshot: at.in, entry: at.TreeEntry} }

// info is an entry of a folder, and what Stat returns once the size is known.
type info struct {
	snapshot *Snapshot
	entry    object.TreeEntry
	known    bool
	bytes    int64
}

// Info implements fs.DirEntry; the size is looked up here, since most who list
// a folder do not ask for it.
func (i *info) Info() (fs.FileInfo, error) {
	if i.known || i.IsDir() {
		return i, nil
	}
	size, err := i.snapshot.size(i.entry.Hash)
	if err != nil {
		return nil, err
	}
	return &info{snapshot: i.snapshot, entry: i.entry, known: true, bytes: size}, nil
}

func (i *info) Name() string       { return i.entry.Name }
func (i *info) IsDir() bool        { return i.Mode().IsDir() }
func (i *info) Type() fs.FileMode  { return i.Mode().Type() }
func (i *info) Size() int64        { return i.bytes }
func (i *info) ModTime() time.Time { return i.snapshot.Time }
func (i *info) Sys() any           { return nil }
func (i *info) String() string     { return fs.FormatDirEntry(i) }

func (i *info) Mode() fs.FileMode {
	switch i.entry.Mode {
	case filemode.Dir:
		return fs.ModeDir | 0o755
	case filemode.Executable:
		return 0o755
	case filemode.Symlink:
		return fs.ModeSymlink | 0o777
	case filemode.Submodule:
		return fs.ModeDir | fs.ModeIrregular | 0o755
	default:
		return 0o644
	}
}

// openFile is an open file; besides fs.File it can seek.
type openFile struct {
	*bytes.Reader
	info *info
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// openDir is an open folder.
type openDir struct {
	info *info
	list []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.Name(), Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.list) {
		if n > 0 && len(d.list) == 0 {
			return nil, io.EOF
		}
		n = len(d.list)
	}
	part := d.list[:n:n]
	d.list = d.list[n:]
	return part, nil
}
