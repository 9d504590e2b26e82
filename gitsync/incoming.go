package gitsync

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
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
	in := &incoming{dir: dir, pack: f.Name()}
	n, err := io.Copy(f, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%w: the server sends more than %d MiB", ErrTooLarge, limit>>20)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = in.makeIndex()
	}
	if err != nil {
		in.discard()
		return nil, err
	}
	return in, nil
}

// makeIndex reads the pack once and writes its index beside it.
func (in *incoming) makeIndex() error {
	f, err := os.Open(in.pack)
	if err != nil {
		return err
	}
	defer f.Close()
	writer := new(idxfile.Writer)
	parser, err := packfile.NewParser(packfile.NewScanner(f), writer)
	if err != nil {
		return err
	}
	in.checksum, err = parser.Parse()
	if errors.Is(err, packfile.ErrEmptyPackfile) {
		in.discard()
		return nil
	}
	if err != nil {
		return fmt.Errorf("the server sent a pack that cannot be read: %w", err)
	}
	index, err := writer.Index()
	if err != nil {
		return err
	}
	idx, err := os.CreateTemp(in.dir, incomingPrefix+"*.idx")
	if err != nil {
		return err
	}
	in.index = idx.Name()
	if _, err := idxfile.NewEncoder(idx).Encode(index); err != nil {
		return errors.Join(err, idx.Close())
	}
	return errors.Join(idx.Sync(), idx.Close())
}

// install gives pack and index their names; the index first, since a pack is
// only looked at together with it.
func (in *incoming) install() error {
	if in.pack == "" {
		return nil
	}
	base := filepath.Join(in.dir, "pack-"+in.checksum.String())
	err := os.Rename(in.index, base+".idx")
	if err == nil {
		err = os.Rename(in.pack, base+".pack")
	}
	if err == nil {
		err = syncDir(in.dir)
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

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
