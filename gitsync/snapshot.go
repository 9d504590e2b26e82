package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// MaxFile is the size of the largest file that a Snapshot reads.
const MaxFile = 64 << 20

// A Snapshot is the tree of a commit as an fs.FS, with Hash besides. Paths are
// slash-separated and relative to the repository's root. It is read from the
// mirror as it is used, and stays readable as long as it is referenced. It is
// safe for concurrent use.
//
// Nothing leads out of it: a symlink is an entry with fs.ModeSymlink that Stat
// describes, ReadLink reads and Open refuses. A submodule is a folder with
// fs.ModeIrregular besides: what enters it fetches its recorded commit, where
// the Remote's Submodules allow that. Permissions are 0o755 for executable
// files, else 0o644.
type Snapshot struct {
	Commit  string // full id
	Tree    string // full id of the root tree
	Subject string // first line of the message
	Author  string // name
	Time    time.Time

	mirror       *Mirror
	commit, root plumbing.Hash

	reach   *reach
	at      string   // path from the top snapshot, empty for that
	address address  // that the urls of submodules are relative to
	above   []string // addresses of the repositories that it is a submodule in
	limit   *limit   // nil: the rules alone say what may be fetched

	linksMu sync.Mutex
	links   map[string]link // nil until they are needed

	mu    sync.Mutex
	trees map[plumbing.Hash][]object.TreeEntry // decoded, sorted by name
	cost  int                                  // entries in trees
}

// maxCached bounds the decoded entries that a snapshot keeps.
const maxCached = 1 << 17

// hand makes a snapshot of a commit that is complete in the mirror.
func (m *Mirror) hand(ctx context.Context, h plumbing.Hash) (*Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.opened()
	if s == nil {
		return nil, m.note(ErrDamaged)
	}
	c, err := s.commit(h)
	if err != nil {
		return nil, m.note(damage(err))
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	snap := &Snapshot{
		Commit:  h.String(),
		Tree:    c.TreeHash.String(),
		Subject: oneLine(subject),
		Author:  oneLine(c.Author.Name),
		Time:    c.Committer.When.UTC(),
		mirror:  m,
		commit:  h,
		root:    c.TreeHash,
		trees:   map[plumbing.Hash][]object.TreeEntry{},
		reach:   &reach{mirror: m, ctx: ctx, entered: map[string]entered{}},
	}
	snap.address, _ = parseAddress(m.remote.Load().URL) // what is relative to an odd one is refused
	m.live = slices.DeleteFunc(m.live, gone)
	m.live = append(m.live, weak.Make(snap))
	return snap, nil
}

// gone reports whether nobody uses a snapshot any more.
func gone(w weak.Pointer[Snapshot]) bool { return w.Value() == nil }

// read runs f on the store, for as long as it takes to read one object.
func (s *Snapshot) read(f func(*packs) error) error {
	m := s.mirror
	m.mu.Lock()
	defer m.mu.Unlock()
	store := m.opened()
	if store == nil {
		return m.note(ErrDamaged)
	}
	err := f(store.objects)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		// It was complete when it was handed out.
		err = fmt.Errorf("%w: an object of commit %s is missing", ErrDamaged, s.Commit)
	}
	return m.note(err)
}

// entries returns the folder with the given hash, sorted by name.
func (s *Snapshot) entries(tree plumbing.Hash) ([]object.TreeEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entries, ok := s.trees[tree]; ok {
		return entries, nil
	}
	var entries []object.TreeEntry
	err := s.read(func(p *packs) (err error) {
		entries, err = readTree(p, tree)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b object.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
	if s.cost += len(entries); s.cost > maxCached {
		clear(s.trees)
		s.cost = len(entries)
	}
	s.trees[tree] = entries
	return entries, nil
}

// A spot is an entry, and the snapshot that it is in: the top one, or that of
// a submodule.
type spot struct {
	object.TreeEntry
	in *Snapshot
	at string // path in that snapshot
}

// top is the root folder.
func (s *Snapshot) top() spot {
	return spot{object.TreeEntry{Name: ".", Mode: filemode.Dir, Hash: s.root}, s, "."}
}

// find walks down to a path. The error is bare; callers wrap it in a PathError.
// A submodule at its end is not entered.
func (s *Snapshot) find(name string) (spot, error) {
	at := s.top()
	if !fs.ValidPath(name) {
		return at, fs.ErrInvalid
	}
	if name == "." {
		return at, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		var err error
		if at, err = at.inside(); err != nil {
			return at, err
		}
		entries, err := at.in.entries(at.Hash)
		if err != nil {
			return at, err
		}
		i, ok := slices.BinarySearchFunc(entries, part, func(e object.TreeEntry, name string) int {
			return strings.Compare(e.Name, name)
		})
		if !ok {
			return at, fs.ErrNotExist
		}
		at = at.below(entries[i])
	}
	return at, nil
}

// below is an entry of the folder at a spot.
func (at spot) below(e object.TreeEntry) spot {
	return spot{e, at.in, path.Join(at.at, e.Name)}
}

// inside is the folder that a path goes on in: a submodule's is the root of
// its commit. The error says why there is none.
func (at spot) inside() (spot, error) {
	if at.Mode != filemode.Submodule {
		return at, enter(at.TreeEntry)
	}
	sub, err := at.in.submodule(at.at, at.Hash)
	if err != nil {
		return at, err
	}
	root := sub.top()
	root.Name = at.Name
	return root, nil
}

// enter says why a path cannot go on below an entry.
func enter(e object.TreeEntry) error {
	switch e.Mode {
	case filemode.Dir:
		return nil
	case filemode.Symlink:
		return fmt.Errorf("%s %w", e.Name, ErrSymlink)
	default:
		return fs.ErrNotExist
	}
}

// blob reads the content of a file.
func (s *Snapshot) blob(h plumbing.Hash) (data []byte, err error) {
	err = s.read(func(p *packs) error {
		size, err := p.EncodedObjectSize(h)
		if err != nil {
			return err
		}
		if limit := s.mirror.limits.file; size > limit {
			return fmt.Errorf("%w: %d bytes, more than %d MiB", ErrTooLarge, size, limit>>20)
		}
		o, err := p.EncodedObject(plumbing.BlobObject, h)
		if err != nil {
			return err
		}
		r, err := o.Reader()
		if err != nil {
			return err
		}
		defer r.Close()
		data = make([]byte, o.Size())
		_, err = io.ReadFull(r, data)
		return err
	})
	return data, err
}

// size returns the size of a file without reading it.
func (s *Snapshot) size(h plumbing.Hash) (size int64, err error) {
	err = s.read(func(p *packs) error {
		size, err = p.EncodedObjectSize(h)
		return err
	})
	return size, err
}
