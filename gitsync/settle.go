package gitsync

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Git's own hash; nothing is trusted because of it
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A pack that was just received need not be on the disk for a deploy to go on:
// a mirror can be fetched again. It is brought there once nobody waits, and is
// then read-only. One that a crash of the machine leaves before that is read
// through when it is opened next.
const settledMode fs.FileMode = 0o444

// settle brings what was received to the disk.
func (s *store) settle() error {
	// What was tidied away since needs it no more.
	s.objects.unsettled = slices.DeleteFunc(s.objects.unsettled, func(name string) bool { return !s.objects.holdsPack(name) })
	for _, name := range s.objects.unsettled {
		for _, ending := range []string{".pack", ".idx"} {
			if err := syncPath(filepath.Join(s.packDir(), name+ending)); err != nil {
				return err
			}
		}
	}
	if len(s.objects.unsettled) == 0 {
		return nil
	}
	if err := syncPath(s.packDir()); err != nil {
		return err
	}
	for _, name := range s.objects.unsettled {
		if err := os.Chmod(filepath.Join(s.packDir(), name+".pack"), settledMode); err != nil {
			return err
		}
	}
	s.objects.unsettled = nil
	return nil
}

// checkUnsettled reads a pack and its index through where they were not
// settled, and has them settled next time: each ends with the hash of all that
// is before.
func (p *packs) checkUnsettled(name string) error {
	info, err := os.Stat(filepath.Join(p.dir, name+".pack"))
	if err != nil || info.Mode().Perm() == settledMode || slices.Contains(p.unsettled, name) {
		return err
	}
	for _, ending := range []string{".pack", ".idx"} {
		if err := checkWhole(filepath.Join(p.dir, name+ending)); err != nil {
			return err
		}
	}
	p.unsettled = append(p.unsettled, name)
	return nil
}

func (p *packs) holdsPack(name string) bool {
	return slices.ContainsFunc(p.open, func(one *pack) bool { return one.name == name })
}

func checkWhole(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sum := sha1.New() //nolint:gosec // as above
	if _, err := io.CopyN(sum, f, info.Size()-sha1.Size); err != nil {
		return fmt.Errorf("%s is cut off: %w", filepath.Base(path), err)
	}
	ending, err := io.ReadAll(f)
	if err == nil && !bytes.Equal(ending, sum.Sum(nil)) {
		err = fmt.Errorf("%s is not as it was received", filepath.Base(path))
	}
	return err
}

// syncPath brings a file, or the names in a folder, to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
