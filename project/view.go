package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"deployer/secrets"
)

const (
	maxFileSize = 1 << 20 // of a compose, env or label file, in bytes
	maxFiles    = 64      // that one resolve reads
)

// placeholders keep an otherwise empty folder in Git; a folder of nothing else is data.
var placeholders = []string{".gitkeep", ".gitignore", ".keep"}

type entryKind string

const (
	entryAbsent entryKind = "absent"
	entryFile   entryKind = "file"
	entryDir    entryKind = "dir"
)

// An entry is what a resolve needs to know of a path besides its bytes.
type entry struct {
	Kind   entryKind `json:"kind"`
	Hash   string    `json:"hash,omitempty"`
	Hollow bool      `json:"hollow,omitempty"` // folder that tracks only placeholders
}

// A view is the tree as one resolve sees it: confined, bounded, and written
// down, so that a recipe can answer the same questions without Git.
type view struct {
	tree     Tree
	files    map[string][]byte
	entries  map[string]entry
	envs     map[string]*secrets.Env
	openEnv  func(string, []byte) (*secrets.Env, error)
	sealed   map[string]*secrets.File // what was looked at for encryption; nil for a plain one
	openFile func(string, []byte) (*secrets.File, error)
}

func newView(src Source) *view {
	return &view{
		tree:     src.Tree,
		files:    map[string][]byte{},
		entries:  map[string]entry{},
		envs:     map[string]*secrets.Env{},
		openEnv:  src.OpenEnv,
		sealed:   map[string]*secrets.File{},
		openFile: src.OpenFile,
	}
}

// entry looks a path up. An absent path is an answer, a symlink on the way to
// it an error.
func (v *view) entry(p string) (entry, error) {
	if e, ok := v.entries[p]; ok {
		return e, nil
	}
	e, err := v.lookup(p)
	if err != nil {
		return entry{}, err
	}
	v.entries[p] = e
	return e, nil
}

func (v *view) lookup(p string) (entry, error) {
	if r, ok := v.tree.(*Recipe); ok {
		return r.entry(p), nil
	}
	info, err := v.walkTo(p)
	if errors.Is(err, fs.ErrNotExist) {
		return entry{Kind: entryAbsent}, nil
	}
	if err != nil {
		return entry{}, err
	}
	e := entry{Kind: entryFile}
	if info.IsDir() {
		e.Kind = entryDir
		if e.Hollow, err = hollow(v.tree, p); err != nil {
			return entry{}, fmt.Errorf("list %s: %w", p, err)
		}
	}
	if e.Hash, err = v.tree.Hash(p); errors.Is(err, fs.ErrNotExist) {
		return entry{Kind: entryAbsent}, nil
	} else if err != nil {
		return entry{}, fmt.Errorf("hash of %s: %w", p, err)
	}
	return e, nil
}

// walkTo stats every folder on the way to p, because a symlink among them
// would lead somewhere that the path does not say.
func (v *view) walkTo(p string) (fs.FileInfo, error) {
	parts := strings.Split(p, "/")
	var info fs.FileInfo
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		var err error
		if info, err = fs.Lstat(v.tree, at); err != nil {
			return nil, err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0 && at == p:
			return nil, fmt.Errorf("%s is a symlink; commit the file or folder itself", p)
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, fmt.Errorf("%s passes through the symlink %s; use the path without it", p, at)
		case !info.IsDir() && !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is neither a file nor a folder", p)
		case !info.IsDir() && at != p:
			return nil, fs.ErrNotExist
		}
	}
	return info, nil
}

// read returns the bytes of a regular file; fs.ErrNotExist where it is absent.
func (v *view) read(p string) ([]byte, error) {
	if data, ok := v.files[p]; ok {
		return data, nil
	}
	e, err := v.entry(p)
	if err != nil {
		return nil, err
	}
	switch e.Kind {
	case entryAbsent:
		return nil, fmt.Errorf("%s is not in the repository: %w", p, fs.ErrNotExist)
	case entryDir:
		return nil, fmt.Errorf("%s is a folder, and a file is needed here", p)
	}
	if len(v.files) == maxFiles {
		return nil, fmt.Errorf("%s: the stack reads more than %d compose and env files; merge some of them", p, maxFiles)
	}
	f, err := v.tree.Open(p)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s is larger than 1 MiB, which no compose or env file needs to be; move large content into a file that is mounted", p)
	}
	if IsLFSPointer(data) {
		return nil, &PointerError{p}
	}
	v.files[p] = data
	return data, nil
}

// reads are the tracked paths that the resolve depends on, sorted.
func (v *view) reads() []string {
	var out []string
	for p, e := range v.entries {
		if e.Kind != entryAbsent {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

var errSolid = errors.New("a file that is no placeholder")

// hollow reports whether everything tracked below dir is a placeholder.
func hollow(tree fs.FS, dir string) (bool, error) {
	err := fs.WalkDir(tree, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() || slices.Contains(placeholders, path.Base(p)) && d.Type().IsRegular() {
			return nil
		}
		return errSolid
	})
	if errors.Is(err, errSolid) {
		return false, nil
	}
	return err == nil, err
}
