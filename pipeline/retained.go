package pipeline

import (
	"cmp"
	"slices"

	"deployer/state"
)

// ReleasesKept is the number of a stack's releases, besides the live and the
// last good one, that can be run again: their images and the files that they
// mount are kept.
const ReleasesKept = 5

// KeptReleases are the releases of a stack that can be run again: the newest,
// but good ones before those that failed, so that no number of bad pushes takes
// away what a person can go back to.
func KeptReleases(tx *state.Tx, stack string) ([]*state.Release, error) {
	known, err := tx.Stack(stack)
	if err != nil {
		return nil, err
	}
	releases, err := tx.Releases(stack)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(releases, func(a, b *state.Release) int {
		return cmp.Or(worthOf(known, b)-worthOf(known, a), b.At.Compare(a.At))
	})
	kept := 0
	return slices.DeleteFunc(releases, func(r *state.Release) bool {
		if held(r, known.Live) || held(r, known.LastGood) {
			return false
		}
		kept++
		return kept > ReleasesKept
	}), nil
}

// worthOf says how much a release is worth keeping: a rollback goes to one that
// was verified, and by itself to none that is quarantined.
func worthOf(known *state.Stack, r *state.Release) int {
	switch {
	case r.VerifiedAt == nil:
		return 0
	case known.FindQuarantine(r.ID) != nil:
		return 1
	}
	return 2
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
