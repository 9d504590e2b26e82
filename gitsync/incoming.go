package gitsync

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// incomingPrefix begins the names of files that are not a pack yet.
const incomingPrefix = "incoming-"

// An incoming pack is downloaded and indexed, and not yet part of the mirror.
// Unlike go-git's pack writer it is synced to disk, and leaves nothing behind
// when the download breaks off.
type incoming struct {
	dir      string
	pack     string // path; empty where the server had nothing to send
	index    string
	checksum plumbing.Hash
}

// receivePack writes a pack of at most limit bytes to dir and indexes it.
func receivePack(dir string, r io.Reader, limit int64) (*incoming, error) {
	f, err := os.CreateTemp(dir, incomingPrefix+"*.pack")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := &incoming{dir: dir, pack: f.Name()}
	if err := in.receive(f, r, limit); err != nil {
		in.discard()
		return nil, err
	}
	return in, nil
}

func (in *incoming) receive(f *os.File, r io.Reader, limit int64) error {
	limited := &io.LimitedReader{R: r, N: limit + 1}
	stream := &recorder{from: limited, to: f}
	x, err := readPack(stream)
	if err == nil {
		_, err = io.Copy(io.Discard, stream) // until the server has said all
	}
	switch {
	case limited.N == 0:
		return fmt.Errorf("%w: the server sends more than %d MiB", ErrTooLarge, limit>>20)
	case errors.Is(err, packfile.ErrEmptyPackfile) && errors.Is(stream.err, io.EOF), err == nil && x.count == 0:
		in.discard()
		return nil
	case err != nil && errors.Is(stream.err, io.EOF):
		return fmt.Errorf("the server sent a pack that is cut off or damaged: %w: %w", err, io.ErrUnexpectedEOF)
	case err != nil && stream.err != nil:
		return stream.err
	case err != nil:
		return fmt.Errorf("the server sent a pack that cannot be read: %w", err)
	}
	in.checksum = x.checksum
	if _, err := checkEnding(in.pack, in.checksum[:]); err != nil {
		return fmt.Errorf("the server sent more than a pack: %w", err)
	}
	return in.writeIndex(f, x)
}

// A recorder writes what is read to a file, and remembers what ended that:
// not everything in between wraps the errors that it gets.
type recorder struct {
	from io.Reader
	to   io.Writer
	err  error
}

func (c *recorder) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if _, writeErr := c.to.Write(p[:n]); writeErr != nil {
		err = writeErr
	}
	c.err = err
	return n, err
}

// writeIndex writes the index beside the pack.
func (in *incoming) writeIndex(pack *os.File, x *indexer) error {
	f, err := os.CreateTemp(in.dir, incomingPrefix+"*.idx")
	if err != nil {
		return err
	}
	in.index = f.Name()
	out := bufio.NewWriter(f)
	err = x.resolve(pack, out)
	if err == nil {
		err = out.Flush()
	}
	return errors.Join(err, f.Close())
}

// install gives pack and index their names; the index first, since a pack is
// only looked at together with it. They need not be on the disk yet: see settle.
func (in *incoming) install() error {
	if in.pack == "" {
		return nil
	}
	base := filepath.Join(in.dir, packPrefix+in.checksum.String())
	err := os.Rename(in.index, base+".idx")
	if err == nil {
		err = os.Rename(in.pack, base+".pack")
	}
	if err != nil {
		in.discard()
	}
	return err
}

// discard removes what is there. It can be called at any time, and again.
func (in *incoming) discard() {
	for _, path := range []string{in.pack, in.index} {
		if path != "" {
			_ = os.Remove(path)
		}
	}
	in.pack, in.index = "", ""
}
