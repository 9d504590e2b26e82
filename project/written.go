package project

import (
	"errors"
	"fmt"
	"io/fs"
)

// WrittenCopies returns the copies whose content is no longer what Git has,
// because a container wrote into them.
func WrittenCopies(mounts []Mount) ([]Mount, error) {
	var out []Mount
	for _, m := range mounts {
		if m.Kind != MountCopy {
			continue
		}
		hash, err := gitHash(m.Host, len(m.Hash))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for changes in the copy of %s for service %s: %w", m.Path, m.Service, err)
		}
		if hash != m.Hash {
			out = append(out, m)
		}
	}
	return out, nil
}
