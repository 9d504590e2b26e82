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
