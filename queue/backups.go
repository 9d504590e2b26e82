package queue

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"deployer/state"
)

// Backup queues a backup of a stack that a person asks for.
func (q *Queue) Backup(_ context.Context, name string, by state.Trigger) (*state.Run, error) {
	stack, err := q.stack(name)
	if err != nil {
		return nil, err
	}
	var live *state.Release
	err = q.store.View(func(tx *state.Tx) error {
		known, err := tx.Stack(name)
		if err == nil {
			live = known.Live
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if live == nil {
		return nil, &state.Refusal{Reason: fmt.Sprintf("stack %s was never deployed", name), Hint: "deploy it first"}
	}
	kept, err := q.runner.Open(stack, live)
	if err != nil {
		return nil, err
	}
	if kept.File.Backup == nil {
		return nil, &state.Refusal{Reason: "the live release has no backup: in pipeline.yaml", Hint: "add backup: with volumes: and to:, and push"}
	}
	run := q.newRun(stack, state.KindBackup, by, state.RunTarget{})
	return run, q.ask(run)
}

// Restore queues the restore of a backup that a person asks for.
func (q *Queue) Restore(_ context.Context, id string, by state.Trigger) (*state.Run, error) {
	var b *state.Backup
	var live *state.Release
	err := q.store.View(func(tx *state.Tx) (err error) {
		if b, err = tx.Backup(id); err != nil {
			return fmt.Errorf("backup %s: %w", id, err)
		}
		known, err := tx.Stack(b.Stack)
		if err == nil {
			live = known.Live
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	stack, err := q.stack(b.Stack)
	if err != nil {
		return nil, err
	}
	switch {
	case live == nil:
		return nil, &state.Refusal{Reason: fmt.Sprintf("stack %s was never deployed", b.Stack), Hint: "deploy it first, then restore"}
	case !whole(b):
		return nil, &state.Refusal{Reason: fmt.Sprintf("the archive %s is not there any more, or not whole", b.Archive), Hint: "put it back, or choose another backup"}
	}
	run := q.newRun(stack, state.KindRestore, by, state.RunTarget{Backup: id})
	return run, q.ask(run)
}

func whole(b *state.Backup) bool {
	info, err := os.Lstat(b.Archive)
	return err == nil && info.Mode().IsRegular() && info.Size() == b.Size
}

// Backups returns the backups of a stack, of all stacks where it is empty, the
// newest first. Those whose archive is not there any more say so.
func (q *Queue) Backups(_ context.Context, stack string) (list []*state.Backup, err error) {
	err = q.store.View(func(tx *state.Tx) (err error) {
		list, err = tx.Backups(stack)
		return err
	})
	for _, b := range list {
		b.Missing = !whole(b)
	}
	slices.SortFunc(list, func(a, b *state.Backup) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return list, err
}
