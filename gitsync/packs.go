package gitsync

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// cacheSize bounds the inflated objects that a mirror keeps in memory.
const cacheSize = 8 * cache.MiByte

// packs reads objects from the pack files of a folder. A mirror never holds
// loose objects, so go-git's own storage, which looks for a loose file at each
// lookup, is not needed here. It implements what go-git asks of a storer for
// reading. It is not safe for concurrent use.
type packs struct {
	storer.EncodedObjectStorer // nil: what is not implemented below is not called

	dir   string
	state string // what the folder held when it was opened; see packState
	open  []*pack
	cache cache.Object
}

type pack struct {
	name  string
	index *idxfile.MemoryIndex
	file  billy.File
	read  *packfile.Packfile
}

// openPacks loads the indexes of the folder's packs. Objects are content
// addressed, so the cache of a former opening stays good.
func openPacks(dir string, objects cache.Object) (*packs, error) {
	state, err := packState(dir)
	if err != nil {
		return nil, err
	}
	p := &packs{dir: dir, state: state, cache: objects}
	for _, line := range strings.Fields(state) {
		name, _, _ := strings.Cut(line, ":")
		one, err := p.openPack(name)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		p.open = append(p.open, one)
	}
	return p, nil
}

func (p *packs) openPack(name string) (*pack, error) {
	idx, err := os.Open(filepath.Join(p.dir, name+".idx"))
	if err != nil {
		return nil, err
	}
	defer idx.Close()
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(idx).Decode(index); err != nil {
		return nil, err
	}
	file, err := osfs.New(p.dir).Open(name + ".pack")
	if err != nil {
		return nil, err
	}
	return &pack{name, index, file, packfile.NewPackfileWithCache(index, nil, file, p.cache, 0)}, nil
}

func (p *packs) close() {
	for _, one := range p.open {
		_ = one.file.Close()
	}
	p.open = nil
}

// packState describes the packs of a folder, one a line, and fails where one
// is not as it was written: a pack is named after the checksum that it ends
// with, and its index repeats it. That finds what a crash has cut off in two
// small reads a pack.
func packState(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var state strings.Builder
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pack")
		if !ok || !strings.HasPrefix(name, "pack-") {
			continue
		}
		sum, size, err := ending(filepath.Join(dir, e.Name()), 20)
		if err != nil {
			return "", err
		}
		repeated, _, err := ending(filepath.Join(dir, name+".idx"), 40)
		if err != nil {
			return "", err
		}
		if sum != repeated {
			return "", fmt.Errorf("%s does not end with the checksum that its index has", e.Name())
		}
		fmt.Fprintf(&state, "%s:%d:%s\n", name, size, sum)
	}
	return state.String(), nil
}

// ending reads the checksum that begins n bytes before the end of a file.
func ending(path string, n int64) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	buf := make([]byte, 20)
	if _, err := f.ReadAt(buf, info.Size()-n); err != nil {
		return "", 0, fmt.Errorf("%s is cut off: %w", filepath.Base(path), err)
	}
	return hex.EncodeToString(buf), info.Size(), nil
}

// find returns the pack that holds an object.
func (p *packs) find(h plumbing.Hash) *pack {
	for _, one := range p.open {
		if ok, _ := one.index.Contains(h); ok {
			return one
		}
	}
	return nil
}

func (p *packs) has(h plumbing.Hash) bool { return p.find(h) != nil }

// HasEncodedObject implements storer.EncodedObjectStorer.
func (p *packs) HasEncodedObject(h plumbing.Hash) error {
	if p.has(h) {
		return nil
	}
	return plumbing.ErrObjectNotFound
}

// EncodedObject implements storer.EncodedObjectStorer.
func (p *packs) EncodedObject(t plumbing.ObjectType, h plumbing.Hash) (plumbing.EncodedObject, error) {
	one := p.find(h)
	if one == nil {
		return nil, plumbing.ErrObjectNotFound
	}
	o, err := one.read.Get(h)
	if err != nil {
		return nil, damage(err)
	}
	if t != plumbing.AnyObject && o.Type() != t {
		return nil, plumbing.ErrObjectNotFound
	}
	return o, nil
}

// EncodedObjectSize implements storer.EncodedObjectStorer.
func (p *packs) EncodedObjectSize(h plumbing.Hash) (int64, error) {
	one := p.find(h)
	if one == nil {
		return 0, plumbing.ErrObjectNotFound
	}
	offset, err := one.index.FindOffset(h)
	if err != nil {
		return 0, damage(err)
	}
	size, err := one.read.GetSizeByOffset(offset)
	return size, damage(err)
}

// damage makes an error of reading an object that the index lists one that
// is not taken for an object that is absent.
func damage(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
