package pipeline

import (
	"context"
	"fmt"
	"slices"

	"deployer/gitsync"
	"deployer/project"
	"deployer/state"
)

// releasesKept is the number of a stack's newest releases, besides the live
// and the last good one, that can be run again: their images and the files
// that they mount are kept.
const releasesKept = 5

// keptReleases are the releases of a stack that can be run again.
func keptReleases(tx *state.Tx, stack string) ([]*state.Release, error) {
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
		return kept > releasesKept
	}), nil
}

// keptImages are the images of a stack's releases that can be run again.
func (r *Runner) keptImages(s *Stack) (ids []string, err error) {
	err = r.store.View(func(tx *state.Tx) error {
		releases, err := keptReleases(tx, s.Name)
		ids = nil
		for _, release := range releases {
			ids = append(ids, imagesOf(release)...)
		}
		return err
	})
	return ids, err
}

func held(r, by *state.Release) bool { return by != nil && r.ID == by.ID }

// keepCommits makes the mirror of a stack keep the commits that its stacks
// compare the next push with, and those that run.
func (q *Queue) keepCommits(mirror *gitsync.Mirror) error {
	var commits []string
	err := q.store.View(func(tx *state.Tx) error {
		for _, stack := range q.stacks() {
			if stack.Mirror != mirror {
				continue
			}
			known, err := tx.Stack(stack.Name)
			if err != nil {
				return err
			}
			commits = append(commits, known.Head)
			if known.Judged != nil {
				commits = append(commits, known.Judged.Commit)
			}
			for _, release := range []*state.Release{known.Live, known.LastGood} {
				if release != nil {
					commits = append(commits, release.Commit)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return mirror.Keep(commits...)
}

// collect removes the files of releases that cannot be run again and that no
// container mounts. Where an Engine cannot be asked, nothing is removed.
func (q *Queue) collect(ctx context.Context) (removed []string, err error) {
	var roots []project.Roots
	var used []string
	asked := map[Target]bool{}
	for _, stack := range q.stacks() {
		roots = append(roots, stack.Roots)
		mounts, err := q.mountsOf(stack)
		if err != nil {
			return nil, fmt.Errorf("stack %s: %w", stack.Name, err)
		}
		used = append(used, mounts...)
		if asked[stack.Target] {
			continue
		}
		asked[stack.Target] = true
		mounted, err := stack.Target.Mounted(ctx)
		if err != nil {
			return nil, fmt.Errorf("stack %s: what its Engine mounts: %w", stack.Name, err)
		}
		used = append(used, mounted...)
	}
	return project.Collect(roots, used)
}

// mountsOf are the paths that the releases of a stack mount which can be run again.
func (q *Queue) mountsOf(stack *Stack) ([]string, error) {
	var releases []*state.Release
	err := q.store.View(func(tx *state.Tx) (err error) {
		releases, err = keptReleases(tx, stack.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, release := range releases {
		kept, err := q.runner.openKept(stack, release)
		if err != nil {
			return nil, fmt.Errorf("release %s: %w", short(release.ID), err)
		}
		for _, m := range kept.project.Mounts {
			paths = append(paths, m.Host)
		}
	}
	return paths, nil
}
