package queue

import (
	"errors"
	"fmt"
	"slices"

	"deployer/pipeline"
	"deployer/state"
)

// A delivery is what one webhook announces, and what becomes of it.
type delivery struct {
	repository string
	events     []state.Event
	receipt    state.Receipt
	pushed     bool // a branch with templates is to be looked at
	pulled     bool // likewise a pull request on one
	stored     chan error
}

// id is what the events of one delivery share, empty where the provider sends
// none.
func (d *delivery) id() string {
	for _, e := range d.events {
		if e.Delivery != "" {
			return e.Delivery
		}
	}
	return ""
}

// alreadyTaken recognises a repeated delivery. One that has a run which failed
// before anything was changed is worth another try.
func (a *acceptance) alreadyTaken(d *delivery) (bool, error) {
	if d.id() == "" {
		return false, nil
	}
	taken, err := a.tx.Delivery(d.repository, d.id())
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, runID := range taken.Runs {
		run, err := a.tx.Run(runID)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if run.Status == state.RunFailed && run.Phase == state.PhasePreparing {
			return false, nil
		}
	}
	return true, nil
}

// take remembers a delivery by the runs that it queued; one that queued none,
// now or by a look at its branch, has nothing that a repetition could do twice.
func (a *acceptance) take(d *delivery) error {
	queued := slices.Concat(d.receipt.Runs, d.receipt.Reviews)
	if d.id() == "" || len(queued) == 0 && !d.receipt.Pending {
		return nil
	}
	taken := &state.Delivery{At: a.now}
	for _, r := range queued {
		taken.Runs = append(taken.Runs, r.ID)
	}
	return a.tx.PutDelivery(d.repository, d.id(), taken)
}

// uninteresting says why an event concerns no stack at all.
func uninteresting(event state.Event) string {
	switch {
	case event.Kind == state.EventIgnored:
		return event.Ignored
	case event.Deleted:
		return fmt.Sprintf("%s was deleted; what runs is left alone", event.Ref)
	}
	return ""
}

// unconcernedBy says why a push does not concern a stack, where the delivery
// itself proves it: it starts at the commit that was judged last, lists every
// path, and none is the stack's.
func unconcernedBy(event state.Event, stack *pipeline.Stack, known *state.Stack) (string, error) {
	j := known.Judged
	if !event.PathsComplete || j == nil || j.Commit != event.Before || j.Again {
		return "", nil
	}
	concerned, err := pipeline.Concerns(event.Paths, stack.Directory, known.Paths, known.Reads)
	if err != nil || concerned != "" {
		return "", err
	}
	return fmt.Sprintf("no path of the push concerns %s", stack.Name), nil
}
