package state

import "sync"

// watches tells followers of a run that it changed.
type watches struct {
	mu   sync.Mutex
	next int
	by   map[string]map[int]chan struct{}
}

func (w *watches) add(run string) (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = make(map[string]map[int]chan struct{})
	}
	if w.by[run] == nil {
		w.by[run] = make(map[int]chan struct{})
	}
	key := w.next
	w.next++
	ch := make(chan struct{}, 1)
	w.by[run][key] = ch
	return ch, func() { w.remove(run, key) }
}

func (w *watches) remove(run string, key int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.by[run], key)
	if len(w.by[run]) == 0 {
		delete(w.by, run)
	}
}

func (w *watches) notify(run string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.by[run] {
		select {
		case ch <- struct{}{}:
		default: // a signal is already waiting to be read
		}
	}
}
