package gitsync

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// A pack is an open pack file with its index in memory.
type pack struct {
	name  string // "pack-<checksum>", without an extension
	stamp string // as listPacks gave it
	size  int64  // in bytes
	index *idxfile.MemoryIndex
	file  billy.File
	read  *packfile.Packfile
}

// listPacks names the packs of a folder, each with a stamp that differs when
// its files do. It costs two stats a pack.
func listPacks(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pack")
		if !ok || !strings.HasPrefix(name, packPrefix) {
			continue
		}
		var stamp strings.Builder
		for _, ending := range []string{".pack", ".idx"} {
			if info, err := os.Stat(filepath.Join(dir, name+ending)); err == nil {
				fmt.Fprint(&stamp, info.Size(), " ", info.ModTime().UnixNano(), " ")
			}
		}
		found[name] = stamp.String()
	}
	return found, nil
}

// packPrefix begins the names of packs.
const packPrefix = "pack-"

// openPack opens a pack, and fails where it is not as it was written: a pack
// ends with a checksum that its index repeats. That finds what a crash has cut
// off in two small reads.
func openPack(dir, name string, objects cache.Object) (*pack, error) {
	idx, err := os.Open(filepath.Join(dir, name+".idx"))
	if err != nil {
		return nil, err
	}
	defer idx.Close()
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(bufferedFile{bufio.NewReaderSize(idx, 1<<16), idx}).Decode(index); err != nil {
		return nil, err
	}
	file, err := osfs.New(dir).Open(name + ".pack")
	if err != nil {
		return nil, err
	}
	size, err := checkEnding(filepath.Join(dir, name+".pack"), index.PackfileChecksum[:])
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &pack{name: name, size: size, index: index, file: file,
		read: packfile.NewPackfileWithCache(index, nil, file, objects, 0)}, nil
}

func (p *pack) close() { _ = p.file.Close() }

func (p *pack) has(h plumbing.Hash) bool {
	ok, _ := p.index.Contains(h)
	return ok
}

// remove takes the pack's files away; the pack goes first, since one without
// an index is damage.
func (p *pack) remove(dir string) error {
	for _, ending := range []string{".pack", ".idx"} {
		if err := os.Remove(filepath.Join(dir, p.name+ending)); err != nil {
			return err
		}
	}
	return nil
}

// bufferedFile lets go-git's decoder, which reads an index in steps of four
// bytes, still learn the file's size, by which it checks the index.
type bufferedFile struct {
	*bufio.Reader
	file *os.File
}

func (f bufferedFile) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// checkEnding compares the end of a file with what it should be, and returns
// the file's size.
func checkEnding(path string, want []byte) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, info.Size()-int64(len(want))); err != nil {
		return 0, fmt.Errorf("%s is cut off: %w", filepath.Base(path), err)
	}
	if !bytes.Equal(got, want) {
		return 0, fmt.Errorf("%s does not end with the checksum that its index has", filepath.Base(path))
	}
	return info.Size(), nil
}
