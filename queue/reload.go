package queue

import (
	"fmt"
	"maps"
	"slices"

	"deployer/pipeline"
	"deployer/state"
)

// A setup is what the server's configuration says of a queue's work, with the
// stacks that its templates stand for. It is never changed: Reload, and a look
// at a branch, put another in its place.
type setup struct {
	stacks   map[string]*pipeline.Stack // by name
	workers  int                        // runs at a time
	origin   *origin
	replaced chan struct{} // closed when another is in its place
}

func newSetup(stacks []*pipeline.Stack, workers int) *setup {
	s := &setup{stacks: make(map[string]*pipeline.Stack, len(stacks)), workers: workers, replaced: make(chan struct{})}
	for _, stack := range stacks {
		s.stacks[stack.Name] = stack
	}
	s.origin = newOrigin(stacks, workers, nil)
	return s
}

// stacks are those of now. While q.mu is held they stay the same.
func (q *Queue) stacks() map[string]*pipeline.Stack { return q.setup.Load().stacks }

// Reload puts these stacks, templates and this number of workers in the place
// of those that the queue has. Runs under way go on with the stack that they
// began with. What waits starts with the new one, or is canceled where there is
// none of that name. A template stands for the folders that were known last,
// until its branch is looked at. Polls begin anew, so that every branch is
// looked at once. A stack that was renamed has its history with it; where that
// cannot be, nothing changes.
func (q *Queue) Reload(stacks []*pipeline.Stack, workers int, templates ...*Template) error {
	q.folding.Lock()
	defer q.folding.Unlock()
	next := newSetup(stacks, workers)
	if len(templates) > 0 {
		next.origin = newOrigin(stacks, workers, templates)
		e, err := q.expandKept(next.origin)
		if err != nil {
			return fmt.Errorf("read which folders are stacks: %w", err)
		}
		next.stacks = e.stacks
	}
	before := q.setup.Load().origin
	if err := q.swap(next); err != nil {
		return err
	}
	close(before.replaced)
	return nil
}

// expandKept makes the stacks of the folders that were known last.
func (q *Queue) expandKept(o *origin) (e *expansion, err error) {
	err = q.store.View(func(tx *state.Tx) error {
		kept, err := keptTemplates(tx, o)
		if err != nil {
			return err
		}
		e = o.expand(kept, func(t *Template, directory string) bool { return slices.Contains(kept[t.Name].Folders, directory) })
		return nil
	})
	return e, err
}

// swap puts a setup in force. One of the same stacks changes nothing.
func (q *Queue) swap(next *setup) error {
	now := q.setup.Load()
	if now.origin == next.origin && maps.EqualFunc(now.stacks, next.stacks, sameFolder) {
		return nil
	}
	added := maps.Clone(next.stacks)
	maps.DeleteFunc(added, func(name string, _ *pipeline.Stack) bool { return now.stacks[name] != nil })
	q.mu.Lock() // the dispatcher decides by one setup
	err := q.rename(next.stacks)
	if err == nil {
		q.setup.Store(next)
	}
	q.mu.Unlock()
	if err != nil {
		return err
	}
	q.restoreFiles(added) // they may have been away when the machine was rebooted
	close(now.replaced)
	q.Wake()
	return nil
}

// sameFolder reports whether two stacks of one origin are the same.
func sameFolder(a, b *pipeline.Stack) bool {
	return a.Template == b.Template && a.Directory == b.Directory && a.Left == b.Left
}
