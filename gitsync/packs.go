package gitsync

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
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

	dir  string
	open []*pack
	// unsettled are those that are whole, and need not be on the disk yet.
	unsettled []string
	cache     cache.Object // objects are content addressed, so it outlives the packs
}

// openPacks opens the packs of a folder. With an error it returns those that
// could be opened.
func openPacks(dir string) (*packs, error) {
	p := &packs{dir: dir, cache: cache.NewObjectLRU(cacheSize)}
	_, err := p.refresh()
	return p, err
}

// refresh opens the packs that are there now, except those that are open
// already, and reports whether one of these is gone or no longer the same. It
// goes on after an error.
func (p *packs) refresh() (lost bool, err error) {
	there, err := listPacks(p.dir)
	if err != nil {
		return true, err
	}
	known := p.open
	p.open = nil
	for _, one := range known {
		if there[one.name] == one.stamp {
			p.open = append(p.open, one)
			delete(there, one.name)
			continue
		}
		lost = true
		one.close()
	}
	for name, stamp := range there {
		var one *pack
		openErr := p.checkUnsettled(name)
		if openErr == nil {
			one, openErr = openPack(p.dir, name, p.cache)
		}
		if openErr != nil {
			err = errors.Join(err, fmt.Errorf("pack %s: %w", name, openErr))
			continue
		}
		one.stamp = stamp
		p.open = append(p.open, one)
	}
	return lost, err
}

func (p *packs) close() {
	for _, one := range p.open {
		one.close()
	}
	p.open = nil
}

// find returns the pack that holds an object.
func (p *packs) find(h plumbing.Hash) *pack {
	for _, one := range p.open {
		if one.has(h) {
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
