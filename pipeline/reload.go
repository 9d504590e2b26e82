package pipeline

import "maps"

// A setup is what the server's configuration says of a queue's work. It is
// never changed: Reload puts another in its place.
type setup struct {
	stacks   map[string]*Stack // by name
	workers  int               // runs at a time
	replaced chan struct{}     // closed when another is in its place
}

func newSetup(stacks []*Stack, workers int) *setup {
	s := &setup{stacks: make(map[string]*Stack, len(stacks)), workers: workers, replaced: make(chan struct{})}
	for _, stack := range stacks {
		s.stacks[stack.Name] = stack
	}
	return s
}

// stacks are those of now. While q.mu is held they stay the same.
func (q *Queue) stacks() map[string]*Stack { return q.setup.Load().stacks }

// Reload puts these stacks, and this number of workers, in the place of those
// that the queue has. Runs under way go on with the stack that they began
// with. What waits starts with the new one, or is canceled where there is none
// of that name. Polls begin anew, so that every branch is looked at once.
func (q *Queue) Reload(stacks []*Stack, workers int) {
	next := newSetup(stacks, workers)
	added, known := maps.Clone(next.stacks), q.stacks()
	maps.DeleteFunc(added, func(name string, _ *Stack) bool { return known[name] != nil })
	q.restoreFiles(added) // they may have been away when the machine was rebooted
	q.mu.Lock()           // the dispatcher decides by one setup
	before := q.setup.Swap(next)
	q.mu.Unlock()
	close(before.replaced)
	q.Wake()
}
