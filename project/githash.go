package project

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Git's own hash; nothing is trusted because of it
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// gitHash computes the hash that Git would give to what lies at p, in the
// hash function that a hash of the given length belongs to.
func gitHash(p string, length int) (string, error) {
	function := sha1.New
	if length == hex.EncodedLen(sha256.Size) {
		function = sha256.New
	}
	sum, _, err := gitHasher{function: function}.entry(p)
	return hex.EncodeToString(sum), err
}

// A gitHasher computes hashes as Git does.
type gitHasher struct {
	function func() hash.Hash
	worktree bool // leave out what Git keeps in a folder for itself
}

// entry returns the hash and Git's mode of a file, symlink or folder; no
// hash for a folder without files, which Git does not know.
func (g gitHasher) entry(p string) (sum []byte, mode string, err error) {
	info, err := os.Lstat(p)
	if err != nil {
		return nil, "", err
	}
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(p)
		if err != nil {
			return nil, "", err
		}
		sum, err := gitBlob(strings.NewReader(target), int64(len(target)), g.function())
		return sum, "120000", err
	case info.IsDir():
		sum, err := g.tree(p)
		return sum, "40000", err
	case info.Mode().IsRegular():
		f, err := os.Open(p)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		mode := "100644"
		if info.Mode()&0o100 != 0 {
			mode = "100755"
		}
		sum, err := gitBlob(f, info.Size(), g.function())
		return sum, mode, err
	}
	// A socket or a pipe: not from Git, so the content is no longer what it was.
	return make([]byte, g.function().Size()), "0", nil
}

func gitBlob(r io.Reader, size int64, h hash.Hash) ([]byte, error) {
	fmt.Fprintf(h, "blob %d\x00", size)
	_, err := io.Copy(h, r)
	return h.Sum(nil), err
}

func (g gitHasher) tree(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	// Git sorts a folder as if its name ended in a slash.
	key := func(e os.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(key(a), key(b)) })
	var body bytes.Buffer
	for _, e := range entries {
		if g.worktree && e.Name() == gitFolder {
			continue
		}
		sum, mode, err := g.entry(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if sum != nil {
			fmt.Fprintf(&body, "%s %s\x00%s", mode, e.Name(), sum)
		}
	}
	if body.Len() == 0 {
		return nil, nil
	}
	h := g.function()
	fmt.Fprintf(h, "tree %d\x00", body.Len())
	h.Write(body.Bytes())
	return h.Sum(nil), nil
}
