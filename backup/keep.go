package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Prune deletes the archives of a stack's volume that are older than days, and
// returns the ids of those that went. The newest whole one stays, whatever its
// age, and nothing is deleted that has no manifest of deployer's.
func Prune(folder, stack, volume string, days int, now time.Time) (gone []string, err error) {
	if days <= 0 {
		return nil, nil
	}
	manifests, err := Find(folder, stack)
	if err != nil {
		return nil, err
	}
	var mine []*Manifest
	last := ""
	var lastAt time.Time
	for _, m := range manifests {
		if m.Volume != volume {
			continue
		}
		mine = append(mine, m)
		if m.Whole(folder) && !m.StartedAt.Before(lastAt) {
			last, lastAt = m.ID, m.StartedAt
		}
	}
	oldest := now.AddDate(0, 0, -days)
	for _, m := range mine {
		if m.ID == last || last == "" || !m.StartedAt.Before(oldest) {
			continue
		}
		// The manifest goes first: what has none is no backup any more.
		for _, name := range []string{filepath.Join(folder, m.ID+manifestEnd), m.Path(folder)} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return gone, err
			}
		}
		gone = append(gone, m.ID)
	}
	return gone, nil
}
