package gitsync

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// An indexer finds out what is where in a pack: the whole objects while the
// pack is received, then those that are deltas. go-git's parser inflates
// every object twice, and keeps up to 96 MiB of them.
type indexer struct {
	count    uint32
	checksum plumbing.Hash
	found    []idxfile.Entry
	at       map[int64][]delta         // deltas by their base's offset
	against  map[plumbing.Hash][]delta // and by its hash
	scan     *packfile.Scanner         // of the received file
}

type delta struct {
	offset int64
	crc    uint32
}

// maxDelta is the size of the largest object that may be a delta, or the base
// of one: these are made in memory. Git itself stores larger ones whole.
const maxDelta = 512 << 20

// maxChain is how many deltas may stand on each other, as in git.
const maxChain = 4095

// readPack reads a pack from its beginning to its end.
func readPack(r io.Reader) (*indexer, error) {
	x := &indexer{at: map[int64][]delta{}, against: map[plumbing.Hash][]delta{}}
	scan := packfile.NewScanner(r)
	var err error
	if _, x.count, err = scan.Header(); err != nil {
		return nil, err
	}
	for range x.count {
		if err := x.next(scan); err != nil {
			return nil, err
		}
	}
	x.checksum, err = scan.Checksum()
	return x, err
}

func (x *indexer) next(scan *packfile.Scanner) error {
	h, err := scan.NextObjectHeader()
	if err != nil {
		return err
	}
	if h.Type.IsDelta() {
		_, crc, err := scan.NextObject(io.Discard)
		d := delta{h.Offset, crc}
		if h.Type == plumbing.OFSDeltaObject {
			x.at[h.OffsetReference] = append(x.at[h.OffsetReference], d)
		} else {
			x.against[h.Reference] = append(x.against[h.Reference], d)
		}
		return err
	}
	hasher := plumbing.NewHasher(h.Type, h.Length)
	_, crc, err := scan.NextObject(hasher)
	x.add(hasher.Sum(), delta{h.Offset, crc})
	return err
}

func (x *indexer) add(h plumbing.Hash, d delta) {
	x.found = append(x.found, idxfile.Entry{Hash: h, CRC32: d.crc, Offset: uint64(d.offset)})
}

// resolve finds out what the deltas are, and writes the index of the pack.
func (x *indexer) resolve(pack *os.File, index io.Writer) error {
	x.scan = packfile.NewScanner(pack)
	for _, base := range x.found { // what is added meanwhile are deltas
		deltas := x.deltasOf(base.Hash, int64(base.Offset))
		if len(deltas) == 0 {
			continue
		}
		kind, content, err := x.read(int64(base.Offset))
		if err != nil {
			return err
		}
		if err := x.apply(kind, content, deltas, 1); err != nil {
			return err
		}
	}
	if len(x.found) != int(x.count) {
		return fmt.Errorf("%d objects have no base in the pack", int(x.count)-len(x.found))
	}
	var writer idxfile.Writer
	if err := writer.OnHeader(x.count); err != nil {
		return err
	}
	for _, e := range x.found {
		writer.Add(e.Hash, e.Offset, e.CRC32)
	}
	if err := writer.OnFooter(x.checksum); err != nil {
		return err
	}
	memory, err := writer.Index()
	if err == nil {
		_, err = idxfile.NewEncoder(index).Encode(memory)
	}
	return err
}

func (x *indexer) deltasOf(h plumbing.Hash, offset int64) []delta {
	deltas := x.at[offset]
	if len(x.against) > 0 {
		deltas = append(deltas, x.against[h]...)
		delete(x.against, h) // the same object can be there twice
	}
	return deltas
}

// apply finds out what the deltas of an object are, and the deltas of these.
func (x *indexer) apply(kind plumbing.ObjectType, base []byte, deltas []delta, depth int) error {
	if depth > maxChain && len(deltas) > 0 {
		return fmt.Errorf("%w: a chain of more than %d deltas", ErrTooLarge, maxChain)
	}
	for i, d := range deltas {
		_, change, err := x.read(d.offset)
		if err != nil {
			return err
		}
		_, n := binary.Uvarint(change)
		if size, _ := binary.Uvarint(change[max(n, 0):]); size > maxDelta {
			return fmt.Errorf("%w: a delta makes an object of %d bytes", ErrTooLarge, size)
		}
		content, err := packfile.PatchDelta(base, change)
		if err != nil {
			return err
		}
		h := plumbing.ComputeHash(kind, content)
		x.add(h, d)
		if i == len(deltas)-1 {
			base = nil // so that of a long chain not all is in memory
		}
		if err := x.apply(kind, content, x.deltasOf(h, d.offset), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// read inflates what is at an offset of the received file.
func (x *indexer) read(offset int64) (plumbing.ObjectType, []byte, error) {
	h, err := x.scan.SeekObjectHeader(offset)
	if err != nil {
		return 0, nil, err
	}
	if h.Length > maxDelta {
		return 0, nil, fmt.Errorf("%w: an object of %d bytes in a chain of deltas", ErrTooLarge, h.Length)
	}
	content := bytes.NewBuffer(make([]byte, 0, h.Length))
	_, _, err = x.scan.NextObject(content)
	return h.Type, content.Bytes(), err
}
