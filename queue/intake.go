package queue

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"deployer/state"
)

// gatherFor is how long deliveries that come thick and fast wait for each
// other. One that comes alone does not wait.
const gatherFor = time.Millisecond

// An intake gathers deliveries. What arrives while others are being stored
// waits for them and is then stored together: one fsync serves all.
type intake struct {
	mu       sync.Mutex
	waiting  []*delivery
	expected int           // as many senders as there seem to be
	complete chan struct{} // gets a signal when that many wait

	storing    sync.Mutex     // held by the delivery that stores all which wait
	superseded map[string]int // by stack: pushes since it was trimmed
}

func newIntake() *intake {
	return &intake{complete: make(chan struct{}, 1), superseded: map[string]int{}}
}

// add reports whether d is the first of those that wait.
func (in *intake) add(d *delivery) (first bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting = append(in.waiting, d)
	if len(in.waiting) == in.expected {
		select {
		case in.complete <- struct{}{}:
		default:
		}
	}
	return len(in.waiting) == 1
}

// gather returns what waits, once all that are expected do or none of them
// may wait longer.
func (in *intake) gather() []*delivery {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.waiting) < in.expected {
		in.mu.Unlock()
		select {
		case <-in.complete:
		case <-time.After(gatherFor):
		}
		in.mu.Lock()
	}
	select { // a signal that came later is of this batch, not of the next
	case <-in.complete:
	default:
	}
	batch := in.waiting
	in.waiting, in.expected = nil, 0
	return batch
}

// expect sets how many to wait for next time: those of this batch and those
// that came meanwhile.
func (in *intake) expect(batch int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.expected = batch + len(in.waiting)
}

// Accept queues a run for each stack that the events of one delivery concern.
// When it returns without an error the runs are on disk.
func (q *Queue) Accept(_ context.Context, repository string, events []state.Event) (state.Receipt, error) {
	d := &delivery{repository: repository, events: events, stored: make(chan error, 1)}
	if q.intake.add(d) {
		q.storeWaiting()
	}
	if err := <-d.stored; err != nil {
		return state.Receipt{}, fmt.Errorf("queue the delivery: %w", err)
	}
	return d.receipt, nil
}

// storeWaiting stores the deliveries that wait when it is its turn. One that
// cannot be taken is left out and does not fail the others.
func (q *Queue) storeWaiting() {
	q.intake.storing.Lock()
	defer q.intake.storing.Unlock()
	for batch := q.intake.gather(); len(batch) > 0; {
		changed, culprit, err := q.acceptAll(batch)
		if culprit != nil {
			culprit.stored <- err
			batch = slices.DeleteFunc(batch, func(d *delivery) bool { return d == culprit })
			continue
		}
		if err == nil && len(changed) > 0 {
			for _, run := range changed {
				q.notify(run)
			}
			signal(q.pushed)
		}
		q.intake.expect(len(batch))
		for _, d := range batch {
			if err == nil && (d.pushed || d.pulled) {
				q.lookSoon(d)
			}
			d.stored <- err
		}
		return
	}
}

// acceptAll takes deliveries in one transaction. Where one of them makes it
// fail, that is the culprit, and nothing is kept.
func (q *Queue) acceptAll(batch []*delivery) (changed []*state.Run, culprit *delivery, err error) {
	defer func() {
		if p := recover(); p != nil { // those that wait must hear of it
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	err = q.store.Update(func(tx *state.Tx) error {
		a := &acceptance{q: q, tx: tx, now: q.now().UTC(), known: map[string]*state.Stack{}}
		for _, culprit = range batch {
			if err := a.accept(culprit); err != nil {
				return err
			}
		}
		culprit, changed = nil, a.changed
		return a.store()
	})
	return changed, culprit, err
}
