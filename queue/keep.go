package queue

import (
	"context"
	"fmt"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

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
			commits = append(commits, commitsOf(known)...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return mirror.Keep(commits...)
}

// commitsOf are the commits that a stack compares the next push with, and
// those that run.
func commitsOf(known *state.Stack) []string {
	commits := []string{known.Head}
	if known.Judged != nil {
		commits = append(commits, known.Judged.Commit)
	}
	for _, release := range []*state.Release{known.Live, known.LastGood} {
		if release != nil {
			commits = append(commits, release.Commit)
		}
	}
	return commits
}

// collect removes the files of releases that cannot be run again and that no
// container mounts. Where an Engine cannot be asked, nothing is removed.
func (q *Queue) collect(ctx context.Context) (removed []string, err error) {
	var roots []project.Roots
	var used []string
	asked := map[pipeline.Target]bool{}
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
func (q *Queue) mountsOf(stack *pipeline.Stack) ([]string, error) {
	var releases []*state.Release
	err := q.store.View(func(tx *state.Tx) (err error) {
		releases, err = pipeline.KeptReleases(tx, stack.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, release := range releases {
		kept, err := q.runner.Open(stack, release)
		if err != nil {
			return nil, fmt.Errorf("release %s: %w", state.ShortCommit(release.ID), err)
		}
		for _, m := range kept.Project.Mounts {
			paths = append(paths, m.Host)
		}
	}
	return paths, nil
}
