package backup

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

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

// ReadFolder unpacks a file of WriteFolder into a folder that is empty, or
// made, and returns how many files it had. It writes nowhere else, whatever
// the file says; what fails on the way is left for a person to look at.
func ReadFolder(file, folder string, keys []age.Identity) (n int, err error) {
	entries, err := os.ReadDir(folder)
	if err == nil && len(entries) > 0 {
		return 0, fmt.Errorf("%s is not empty: stop the server, and move the folder away first", folder)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	source, err := decrypted(bufio.NewReader(f), keys)
	if err != nil {
		return 0, err
	}
	packed, err := gzip.NewReader(source)
	if err != nil {
		return 0, fmt.Errorf("%s is no backup of deployer: %w", file, err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return 0, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	u := &folderUnpacker{root: root}
	if err := u.unpack(tar.NewReader(packed)); err != nil {
		return u.n, fmt.Errorf("%s: %w; %s holds a part of it: remove that before the next try", file, err, folder)
	}
	return u.n, syncFolder(folder)
}

func decrypted(r *bufio.Reader, keys []age.Identity) (io.Reader, error) {
	start, _ := r.Peek(len("age-encryption.org/"))
	if string(start) != "age-encryption.org/" {
		return r, nil
	}
	if len(keys) == 0 {
		return nil, errors.New("the file is encrypted: give its age key with --identity FILE")
	}
	return age.Decrypt(r, keys...)
}

type folderUnpacker struct {
	root    *os.Root
	n       int
	folders []*tar.Header
}

func (u *folderUnpacker) unpack(r *tar.Reader) error {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := u.entry(h, r); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	for _, h := range slices.Backward(u.folders) { // a folder may forbid to write into it
		if err := u.root.Chmod(u.name(h), h.FileInfo().Mode().Perm()); err != nil {
			return err
		}
	}
	if u.n == 0 {
		return errors.New("there is nothing in it")
	}
	return nil
}

// name is the path of an entry below the root.
func (u *folderUnpacker) name(h *tar.Header) string {
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, FolderRoot), "/")
	if name == "" {
		return "."
	}
	return name[1:]
}

func (u *folderUnpacker) entry(h *tar.Header, content io.Reader) error {
	if !filepath.IsLocal(h.Name) || h.Name != FolderRoot+"/" && !strings.HasPrefix(h.Name, FolderRoot+"/") {
		return ErrHostile
	}
	name := u.name(h)
	switch h.Typeflag {
	case tar.TypeDir:
		u.folders = append(u.folders, h)
		if err := u.root.MkdirAll(name, 0o700); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := u.root.Symlink(h.Linkname, name); err != nil {
			return err
		}
	case tar.TypeReg:
		u.n++
		if err := u.file(name, h, content); err != nil {
			return err
		}
	default:
		return ErrHostile
	}
	// Who is not root keeps what is his.
	if err := u.root.Lchown(name, h.Uid, h.Gid); err != nil && !errors.Is(err, syscall.EPERM) {
		return err
	}
	if h.Typeflag == tar.TypeReg { // which a change of the owner may have touched
		return u.root.Chmod(name, h.FileInfo().Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
	}
	return nil
}

func (u *folderUnpacker) file(name string, h *tar.Header, content io.Reader) error {
	if dir := filepath.Dir(name); dir != "." {
		if err := u.root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}
