package gitsync

import (
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // Git's own hash; nothing is trusted because of it
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// objectsOf lists the commits and everything in their trees, each object once.
func (s *store) objectsOf(commits ...plumbing.Hash) ([]plumbing.Hash, error) {
	l := objectList{store: s, seen: map[plumbing.Hash]bool{}}
	for _, h := range commits {
		c, err := s.commit(h)
		if err != nil {
			return nil, damage(err)
		}
		l.add(h)
		if err := l.tree(c.TreeHash, 0); err != nil {
			return nil, damage(err)
		}
	}
	return l.objects, nil
}

type objectList struct {
	store   *store
	seen    map[plumbing.Hash]bool
	objects []plumbing.Hash
}

// add lists an object, and reports whether it was not listed before.
func (l *objectList) add(h plumbing.Hash) bool {
	if l.seen[h] {
		return false
	}
	l.seen[h] = true
	l.objects = append(l.objects, h)
	return true
}

func (l *objectList) tree(h plumbing.Hash, depth int) error {
	if !l.add(h) {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: folders nested deeper than %d", ErrTooLarge, maxDepth)
	}
	entries, err := l.store.tree(h)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Mode {
		case filemode.Submodule:
		case filemode.Dir:
			if err := l.tree(e.Hash, depth+1); err != nil {
				return err
			}
		default:
			l.add(e.Hash)
		}
	}
	return nil
}

// copyCommit copies a commit and its tree, not its history.
func copyCommit(to, from *store, commit plumbing.Hash) error {
	if ok, err := to.isComplete(commit); ok || err != nil {
		return err
	}
	objects, err := from.objectsOf(commit)
	if err != nil {
		return err
	}
	lacking := objects[:0]
	for _, h := range objects {
		if !to.objects.has(h) {
			lacking = append(lacking, h)
		}
	}
	if _, err := to.take(from.objects, lacking); err != nil {
		return err
	}
	if ok, err := to.isComplete(commit); err != nil || !ok {
		return fmt.Errorf("%w: commit %s lacks objects", ErrDamaged, commit)
	}
	return to.addShallow([]plumbing.Hash{commit})
}

// take adds a pack of objects from other ones, none of them as a delta, and
// returns its name; empty where there are no objects.
func (s *store) take(from *packs, objects []plumbing.Hash) (string, error) {
	if len(objects) == 0 {
		return "", nil
	}
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.CloseWithError(from.writePack(w, objects))
	}()
	in, err := receivePack(s.packDir(), r, math.MaxInt64-1)
	r.Close() // ends the writing too
	<-written // the packs are read by one at a time
	if err != nil {
		return "", err
	}
	return packPrefix + in.checksum.String(), errors.Join(s.add(in), s.settle())
}

// writePack writes one object after another, so that one is in memory at a
// time; go-git's encoder holds all of them.
func (p *packs) writePack(w io.Writer, objects []plumbing.Hash) error {
	sum := sha1.New() //nolint:gosec // as the format wants it
	out := io.MultiWriter(w, sum)
	header := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(objects)))
	if _, err := out.Write(header); err != nil {
		return err
	}
	deflate := zlib.NewWriter(out)
	for _, h := range objects {
		if err := p.writeEntry(out, deflate, h); err != nil {
			return err
		}
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

func (p *packs) writeEntry(out io.Writer, deflate *zlib.Writer, h plumbing.Hash) error {
	o, err := p.EncodedObject(plumbing.AnyObject, h)
	if err != nil {
		return damage(err)
	}
	// Three bits of type and a size, four bits of it first, then seven at a time.
	size := uint64(o.Size())
	head := []byte{byte(o.Type())<<4 | byte(size&0x0f)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&0x7f))
	}
	if _, err := out.Write(head); err != nil {
		return err
	}
	content, err := o.Reader()
	if err != nil {
		return damage(err)
	}
	defer content.Close()
	deflate.Reset(out)
	if _, err := io.Copy(deflate, content); err != nil {
		return err
	}
	return deflate.Close()
}
