package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"path"
	"strings"
)

// Root is the one top folder of every archive: the volume itself.
const Root = "volume"

// A Content is what a walk of an archive found.
type Content struct {
	Files        int   // entries of every kind
	Bytes        int64 // of regular files
	OutwardLinks int   // symlinks that lead out of the volume
}

// ErrHostile marks an archive that no backup of a volume can be.
var ErrHostile = errors.New("the archive is not safe to restore")

func hostile(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrHostile}, args...)...)
}

// A walker judges the entries of a tar stream one after the other. It keeps a
// hash of each path, so that a million files fit into memory.
type walker struct {
	most    *Manifest // nil: no bounds
	outward bool      // symlinks that lead out of the volume may be
	seed    maphash.Seed
	kinds   map[uint64]byte // type by hash of the path
	content Content
}

// walk reads a tar stream to its end. Where most is not nil the stream must
// not hold more than it says.
func walk(r io.Reader, most *Manifest, outward bool) (Content, error) {
	w := &walker{most: most, outward: outward, seed: maphash.MakeSeed(), kinds: map[uint64]byte{}}
	entries := tar.NewReader(r)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return w.content, fmt.Errorf("entry %d: %w", w.content.Files+1, err)
		}
		if err := w.judge(h); err != nil {
			return w.content, err
		}
		if n, err := io.Copy(io.Discard, entries); err != nil || n != h.Size && h.Typeflag == tar.TypeReg {
			return w.content, fmt.Errorf("%s: read %d of %d bytes: %w", h.Name, n, h.Size, errors.Join(err, io.ErrUnexpectedEOF))
		}
	}
	_, err := io.Copy(io.Discard, r) // the padding behind the last entry
	if err == nil && w.content.Files == 0 {
		err = hostile("it is empty")
	}
	return w.content, err
}

func (w *walker) kind(name string) byte { return w.kinds[maphash.String(w.seed, name)] }

func (w *walker) judge(h *tar.Header) error {
	name, err := inside(h.Name)
	if err != nil {
		return err
	}
	if w.kind(name) != 0 {
		return hostile("%s is in it twice", h.Name)
	}
	for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
		if k := w.kind(folder); k != 0 && k != tar.TypeDir {
			return hostile("%s lies below what is no folder", h.Name)
		}
	}
	if w.content.Files == 0 && (name != Root || h.Typeflag != tar.TypeDir) {
		return hostile("it does not begin with the folder %s", Root)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return hostile("%s is sparse", h.Name)
		}
	}
	if err := w.judgeKind(name, h); err != nil {
		return err
	}
	w.kinds[maphash.String(w.seed, name)] = h.Typeflag
	w.content.Files++
	if w.most != nil && (w.content.Files > w.most.Files || w.content.Bytes > w.most.Content) {
		return hostile("it holds more than its manifest says")
	}
	return nil
}

func (w *walker) judgeKind(name string, h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeReg:
		w.content.Bytes += h.Size
	case tar.TypeDir, tar.TypeFifo:
	case tar.TypeLink:
		target, err := inside(h.Linkname)
		if err != nil || w.kind(target) != tar.TypeReg && w.kind(target) != tar.TypeLink && w.kind(target) != tar.TypeSymlink && w.kind(target) != tar.TypeFifo {
			return hostile("%s is a hard link to %q, which is no file in it", h.Name, h.Linkname)
		}
	case tar.TypeSymlink:
		if !leadsOut(name, h.Linkname) {
			break
		}
		if !w.outward {
			return hostile("the symlink %s leads out of the volume, to %q", h.Name, h.Linkname)
		}
		w.content.OutwardLinks++
	case tar.TypeChar, tar.TypeBlock:
		return hostile("%s is a device", h.Name)
	default:
		return hostile("%s is of the unknown kind %q", h.Name, h.Typeflag)
	}
	return nil
}

// inside returns the clean form of a name below Root.
func inside(name string) (string, error) {
	clean := strings.TrimSuffix(name, "/")
	if strings.ContainsRune(name, 0) || path.Clean(clean) != clean || clean != Root && !strings.HasPrefix(clean, Root+"/") {
		return "", hostile("%q is not a plain path below %s/", name, Root)
	}
	return clean, nil
}

// leadsOut reports whether a symlink's target is not in the volume.
func leadsOut(name, target string) bool {
	if path.IsAbs(target) {
		return true
	}
	end := path.Join(path.Dir(name), target)
	return end != Root && !strings.HasPrefix(end, Root+"/")
}

// Measure reads a volume's stream to its end and says what is in it.
func Measure(stream io.Reader) (Content, error) { return walk(stream, nil, true) }
