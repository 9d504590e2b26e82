package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// maxPointer is the size, in bytes, that a pointer of Git LFS never exceeds.
const maxPointer = 1024

var pointerStart = []byte("version https://git-lfs.github.com/spec/v1\n")

// IsLFSPointer reports whether content stands for a file that Git LFS keeps
// elsewhere.
func IsLFSPointer(content []byte) bool {
	return len(content) <= maxPointer && bytes.HasPrefix(content, pointerStart)
}

// A PointerError is a file that was committed as a pointer of Git LFS.
type PointerError struct{ Path string }

func (e *PointerError) Error() string {
	return e.Path + " is a pointer of Git LFS, not the file itself"
}

// Hint says what to do about it.
func (*PointerError) Hint() string {
	return "commit the file itself: `git lfs migrate export` takes it out of LFS"
}

// CheckContent refuses mounts of tracked content that is not the content
// itself: pointers of Git LFS.
func (p *Project) CheckContent(tree Tree) error {
	var wrong []string
	for _, m := range p.Mounts {
		if m.Hash == "" || m.Path == "" || m.Kind == MountSecret {
			continue
		}
		err := fs.WalkDir(tree, m.Path, func(name string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, ErrNoContent):
				return fs.SkipAll // a kept release was looked at when it was new
			case err != nil:
				return err
			case !d.Type().IsRegular():
				return nil
			}
			info, err := d.Info()
			if err != nil || info.Size() > maxPointer {
				return err
			}
			content, err := fs.ReadFile(tree, name)
			if IsLFSPointer(content) {
				wrong = append(wrong, (&PointerError{name}).Error())
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("service %s: mount of %s: %w", m.Service, p.Local(m.Path), err)
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}
