package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/gzip"
)

// FolderRoot is the top folder of an archive of a folder.
const FolderRoot = "deployer"

// WriteFolder packs a folder into a file that only its owner reads, encrypted
// where to is not nil, and returns how many files it holds. Entries at the top
// of the folder that leave names stay out; instead gives files in their place.
// The file appears whole or not at all.
func WriteFolder(file, folder string, leave []string, instead map[string]string, to age.Recipient) (n int, err error) {
	if isIn(file, folder) {
		return 0, fmt.Errorf("%s lies in %s itself: choose a place outside of it", file, folder)
	}
	part, err := os.CreateTemp(filepath.Dir(file), ".deployer-self-*"+partEnd) // 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	sink := io.WriteCloser(part)
	if to != nil {
		if sink, err = age.Encrypt(part, to); err != nil {
			return 0, err
		}
	}
	packer := gzip.NewWriter(sink)
	p := &folderPacker{tar: tar.NewWriter(packer)}
	if err := p.pack(folder, leave, instead); err != nil {
		return 0, err
	}
	if err := errors.Join(p.tar.Close(), packer.Close()); err != nil {
		return 0, err
	}
	if to != nil {
		if err := sink.Close(); err != nil { // which writes its last piece; the file is open still
			return 0, err
		}
	}
	if err := errors.Join(part.Sync(), os.Rename(part.Name(), file)); err != nil {
		return 0, err
	}
	return p.n, syncFolder(filepath.Dir(file))
}

func isIn(file, folder string) bool {
	file, _ = filepath.Abs(file)
	rel, err := filepath.Rel(folder, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

type folderPacker struct {
	tar *tar.Writer
	n   int
}

func (p *folderPacker) pack(folder string, leave []string, instead map[string]string) error {
	for name, from := range instead {
		info, err := os.Lstat(from)
		if err != nil {
			return err
		}
		if err := p.add(FolderRoot+"/"+name, from, info); err != nil {
			return err
		}
	}
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != folder { // it was collected meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if slices.Contains(leave, rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name := FolderRoot
		if rel != "." {
			name += "/" + filepath.ToSlash(rel)
		}
		return p.add(name, path, info)
	})
}

func (p *folderPacker) add(name, path string, info fs.FileInfo) error {
	link := ""
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		var err error
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	case !mode.IsRegular() && !mode.IsDir():
		return nil // a socket or the like
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname = name, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	var content io.Reader = strings.NewReader("")
	if info.Mode().IsRegular() {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		content = io.LimitReader(f, h.Size) // it may grow
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(p.tar, content)
	if err == nil && n < h.Size && info.Mode().IsRegular() {
		err = fmt.Errorf("%s became shorter while it was read: try again", path)
	}
	if info.Mode().IsRegular() {
		p.n++
	}
	return err
}
