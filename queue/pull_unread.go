package queue

import (
	"errors"
	"slices"

	"deployer/pipeline"
	"deployer/state"
)

// settleUnread stores that a pull request could not be looked at, and never
// will be as it is, as a review that failed: of each stack that it was planned
// for before, else of the entry of deployer.yaml, since the stacks that it
// concerns are not known. Looked at again, it is said once.
func (q *Queue) settleUnread(b *branch, p state.Pull, why error) error {
	var concerned []concernedFolder
	err := q.store.View(func(tx *state.Tx) error {
		concerned = nil
		add := func(stack string, of state.Folder, said bool) {
			of.Change, of.Other = state.FolderUnread, ""
			concerned = append(concerned, concernedFolder{Folder: of, stack: stack, refused: why.Error(), hint: pipeline.Hint(why), said: said})
		}
		for _, name := range p.Stacks {
			last, err := lastReview(tx, name, p.Number)
			if err != nil {
				return err
			}
			if last != nil && last.Review.Folder != nil {
				add(name, *last.Review.Folder, last.Review.Folder.Change == state.FolderUnread && last.Review.Head == p.Head)
			}
		}
		if t := b.templates[0]; len(concerned) == 0 {
			add(t.Name, state.Folder{Template: t.Name, Directory: t.Folder}, false)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.settlePull(b, p, concerned)
}

// lastReview is a stack's newest review of a pull request that is open; nil
// where there is none, or no more.
func lastReview(tx *state.Tx, stack string, pull int) (*state.Run, error) {
	known, err := tx.Stack(stack)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(known.Proposals, func(o state.Proposal) bool { return o.Pull == pull && !o.Ended })
	if at < 0 {
		return nil, nil
	}
	run, err := tx.Run(known.Proposals[at].Run)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	return run, err
}
