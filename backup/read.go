package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// ErrDamaged marks an archive that is not what its manifest says.
var ErrDamaged = errors.New("the archive is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// Open opens an archive that is about to be restored, and judges it: its
// checksum, and every entry of it. Symlinks that lead out of the volume are
// refused unless outward says that the archive is known to have them.
func Open(path string, m *Manifest, outward bool) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the backup: %w", err)
	}
	if err := check(f, m, outward); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// check reads a whole archive, and compares it with its manifest.
func check(f *os.File, m *Manifest, outward bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != m.Size {
		return damaged("%d bytes, its manifest says %d", info.Size(), m.Size)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != m.SHA256 {
		return damaged("its sha256 is %.12s…, its manifest says %.12s…", got, m.SHA256)
	}
	content, err := Stream(f, m)
	if err != nil {
		return err
	}
	found, err := walk(content, m, outward)
	if err != nil {
		return err
	}
	if found.Files != m.Files || found.Bytes != m.Content {
		return damaged("%d entries with %d bytes, its manifest says %d and %d", found.Files, found.Bytes, m.Files, m.Content)
	}
	return nil
}

// Stream returns the tar stream of an opened archive from its beginning. It
// fails in the place of its end where the archive is not what its manifest
// says any more, and never is longer than that.
func Stream(f *os.File, m *Manifest) (io.Reader, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	s := &stream{m: m, sum: &meter{hash: sha256.New()}}
	packed, err := gzip.NewReader(io.TeeReader(io.LimitReader(f, m.Size), s.sum))
	if err != nil {
		return nil, damaged("%v", err)
	}
	s.plain = packed
	return s, nil
}

type stream struct {
	m     *Manifest
	sum   *meter // of the archive
	plain io.Reader
	n     int64
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.plain.Read(b)
	s.n += int64(n)
	switch {
	case s.n > s.m.Stream:
		return 0, hostile("it unpacks to more than its manifest says")
	case errors.Is(err, io.EOF):
		if s.n != s.m.Stream || s.sum.n != s.m.Size || hex.EncodeToString(s.sum.hash.Sum(nil)) != s.m.SHA256 {
			return n, damaged("it changed while it was read")
		}
	case err != nil:
		err = damaged("%v", err)
	}
	return n, err
}
