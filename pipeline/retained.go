package pipeline

import (
	"slices"

	"deployer/state"
)

// ReleasesKept is the number of a stack's newest releases, besides the live
// and the last good one, that can be run again: their images and the files
// that they mount are kept.
const ReleasesKept = 5

// KeptReleases are the releases of a stack that can be run again.
func KeptReleases(tx *state.Tx, stack string) ([]*state.Release, error) {
	known, err := tx.Stack(stack)
	if err != nil {
		return nil, err
	}
	releases, err := tx.Releases(stack)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(releases, func(a, b *state.Release) int { return b.At.Compare(a.At) })
	kept := 0
	return slices.DeleteFunc(releases, func(r *state.Release) bool {
		if held(r, known.Live) || held(r, known.LastGood) {
			return false
		}
		kept++
		return kept > ReleasesKept
	}), nil
}

// keptImages are the images of a stack's releases that can be run again.
func (r *Runner) keptImages(s *Stack) (ids []string, err error) {
	err = r.store.View(func(tx *state.Tx) error {
		releases, err := KeptReleases(tx, s.Name)
		ids = nil
		for _, release := range releases {
			ids = append(ids, release.ImageIDs()...)
		}
		return err
	})
	return ids, err
}

func held(r, by *state.Release) bool { return by != nil && r.ID == by.ID }
