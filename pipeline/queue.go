package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"deployer/state"
)

// A Queue takes deliveries, and what people ask for, and decides what may
// start. The database is the queue: what it holds after a crash is what runs.
// Its methods may be called from any goroutine.
type Queue struct {
	store     *state.Store
	runner    *Runner
	stacks    map[string]*Stack
	workers   int
	log       *slog.Logger
	now       func() time.Time
	observers []Observer

	wake chan struct{}

	mu      sync.Mutex
	running map[string]*running // by run id
	group   sync.WaitGroup
}

// running is a run that a goroutine works on.
type running struct {
	claim  string
	stop   context.CancelCauseFunc // leaves it for the next start
	cancel context.CancelCauseFunc // ends it, or takes it back
}

// NewQueue makes a queue over the stacks; at most workers runs go at a time.
func NewQueue(store *state.Store, runner *Runner, stacks []*Stack, workers int, log *slog.Logger, observers ...Observer) *Queue {
	q := &Queue{
		store: store, runner: runner, stacks: make(map[string]*Stack, len(stacks)), workers: workers,
		log: log, now: runner.now, observers: observers,
		wake: make(chan struct{}, 1), running: make(map[string]*running),
	}
	for _, s := range stacks {
		q.stacks[s.Name] = s
	}
	return q
}

// Accept queues a run for each stack that the events of one delivery concern.
// When it returns without an error the runs are on disk.
func (q *Queue) Accept(_ context.Context, repository string, events []state.Event) (state.Receipt, error) {
	var receipt state.Receipt
	var superseded []*state.Run
	err := q.store.Batch(func(tx *state.Tx) error {
		receipt, superseded = state.Receipt{}, nil
		id := deliveryOf(events)
		taken, err := q.alreadyTaken(tx, repository, id)
		if err != nil {
			return err
		}
		if taken {
			receipt.Ignored = fmt.Sprintf("delivery %s was already taken", id)
			return nil
		}
		for _, event := range events {
			runs, ignored, err := q.accept(tx, repository, event, &superseded)
			if err != nil {
				return err
			}
			receipt.Runs = append(receipt.Runs, runs...)
			if ignored != "" {
				receipt.Ignored = ignored
			}
		}
		return q.take(tx, repository, id, receipt.Runs)
	})
	if err != nil {
		return state.Receipt{}, fmt.Errorf("queue the delivery: %w", err)
	}
	if len(receipt.Runs) > 0 {
		receipt.Ignored = ""
		q.changed(append(superseded, receipt.Runs...)...)
	} else if receipt.Ignored == "" {
		receipt.Ignored = "the delivery announces no push"
	}
	return receipt, nil
}

// accept queues the runs of one event, or says why there are none.
func (q *Queue) accept(tx *state.Tx, repository string, event state.Event, superseded *[]*state.Run) (runs []*state.Run, ignored string, err error) {
	if why := uninteresting(event); why != "" {
		return nil, why, nil
	}
	ignored = fmt.Sprintf("no stack follows %s", event.Ref)
	for _, stack := range q.following(repository, event.Ref) {
		run, why, err := q.push(tx, stack, event, superseded)
		if err != nil {
			return nil, "", err
		}
		if run == nil {
			ignored = why
			continue
		}
		runs = append(runs, run)
	}
	return runs, ignored, nil
}

func uninteresting(event state.Event) string {
	switch {
	case event.Kind == state.EventIgnored:
		return event.Ignored
	case event.Kind == state.EventPullRequest:
		return "pull requests are not reviewed by this version"
	case event.Deleted:
		return fmt.Sprintf("%s was deleted; what runs is left alone", event.Ref)
	}
	return ""
}

// following returns the stacks that are deployed from a ref, by name.
func (q *Queue) following(repository, ref string) []*Stack {
	var out []*Stack
	for _, s := range q.stacks {
		if s.Repository == repository && s.ref() == ref {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *Stack) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// push queues a run for one stack, or says what the delivery itself proves.
func (q *Queue) push(tx *state.Tx, stack *Stack, event state.Event, superseded *[]*state.Run) (run *state.Run, ignored string, err error) {
	known, err := tx.Stack(stack.Name)
	if err != nil {
		return nil, "", err
	}
	if j := known.Judged; j != nil && j.Commit == event.After && !j.Again {
		return nil, fmt.Sprintf("%s was already judged by run %s: %s", short(event.After), j.Run, j.Status), nil
	}
	if why, err := unconcernedBy(event, stack, known); err != nil || why != "" {
		return nil, why, err
	}
	run = &state.Run{
		ID: state.NewRunID(), Stack: stack.Name, Kind: state.KindDeploy, Environment: stack.Environment,
		Trigger: state.Trigger{Kind: state.TriggerWebhook, Actor: event.Actor, Delivery: event.Delivery},
		Commit:  event.After, Subject: event.Subject, Author: event.Author,
		Status: state.RunQueued, CreatedAt: q.now().UTC(), Stages: []state.StageResult{},
	}
	if v, what := stack.admit(run, known, q.now()); v == verdictIgnore {
		if known.Head != event.After {
			known.Head, known.HeadRelease = event.After, ""
		}
		return nil, fmt.Sprintf("%s is held by a %s; the push is shown, not deployed", stack.Name, what), tx.PutStack(known)
	}
	return run, "", q.enqueue(tx, run, superseded)
}

// unconcernedBy says why a push does not concern a stack, where the delivery
// itself proves it: it starts at the commit that was judged last, lists every
// path, and none is the stack's.
func unconcernedBy(event state.Event, stack *Stack, known *state.Stack) (string, error) {
	j := known.Judged
	if !event.PathsComplete || j == nil || j.Commit != event.Before || j.Again {
		return "", nil
	}
	concerned, err := concerns(event.Paths, stack.Directory, known.Paths, known.Reads)
	if err != nil || concerned != "" {
		return "", err
	}
	return fmt.Sprintf("no path of the push concerns %s", stack.Name), nil
}

// enqueue stores a new run and supersedes those whose place it takes, which
// it adds to the given ones.
func (q *Queue) enqueue(tx *state.Tx, run *state.Run, superseded *[]*state.Run) error {
	active, err := tx.ActiveRuns()
	if err != nil {
		return err
	}
	for _, other := range active {
		if other.Stack != run.Stack || !supersedes(run, other) {
			continue
		}
		at := q.now().UTC()
		other.Status, other.SupersededBy, other.FinishedAt, other.WaitingFor = state.RunSuperseded, run.ID, &at, ""
		if err := tx.PutRun(other); err != nil {
			return err
		}
		*superseded = append(*superseded, other)
	}
	return tx.PutRun(run)
}

// deliveryOf is the id that the events of one delivery share, empty where the
// provider sends none.
func deliveryOf(events []state.Event) string {
	for _, e := range events {
		if e.Delivery != "" {
			return e.Delivery
		}
	}
	return ""
}

// alreadyTaken recognises a repeated delivery. One that has a run which failed
// before anything was changed is worth another try.
func (q *Queue) alreadyTaken(tx *state.Tx, repository, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	taken, err := tx.Delivery(repository, id)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, runID := range taken.Runs {
		run, err := tx.Run(runID)
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

// take remembers a delivery by the runs that it queued; one that queued none
// has nothing that a repetition could do twice.
func (q *Queue) take(tx *state.Tx, repository, id string, runs []*state.Run) error {
	if id == "" || len(runs) == 0 {
		return nil
	}
	taken := &state.Delivery{At: q.now().UTC()}
	for _, r := range runs {
		taken.Runs = append(taken.Runs, r.ID)
	}
	return tx.PutDelivery(repository, id, taken)
}

// changed tells observers of new runs and the dispatcher that there is work.
func (q *Queue) changed(runs ...*state.Run) {
	for _, r := range runs {
		q.notify(r)
	}
	q.Wake()
}

// Wake makes the dispatcher look at what waits.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
