package queue

import (
	"fmt"
	"slices"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// An acceptance is the transaction in which deliveries are taken. It reads
// each stack once and stores each run once, as it is in the end: of the pushes
// that arrive together only the newest waits.
type acceptance struct {
	q   *Queue
	tx  *state.Tx
	now time.Time

	known   map[string]*state.Stack
	active  []*state.Run // that are not over, with those that are new
	changed []*state.Run // to be stored: new ones and those that they supersede
}

// accept takes one delivery.
func (a *acceptance) accept(d *delivery) error {
	d.receipt, d.pushed, d.pulled = state.Receipt{}, false, false
	taken, err := a.alreadyTaken(d)
	if err != nil {
		return err
	}
	if taken {
		d.receipt.Ignored = fmt.Sprintf("delivery %s was already taken", d.id())
		return nil
	}
	for _, event := range d.events {
		if event.Kind == state.EventPullRequest {
			reviews, ignored, err := a.pullRequest(d.repository, event)
			if err != nil {
				return err
			}
			d.receipt.Reviews, d.receipt.Ignored = append(d.receipt.Reviews, reviews...), ignored
			if err := a.announcePull(d, event); err != nil {
				return err
			}
			continue
		}
		runs, ignored, err := a.acceptEvent(d.repository, event)
		if err != nil {
			return err
		}
		d.receipt.Runs = append(d.receipt.Runs, runs...)
		if ignored != "" {
			d.receipt.Ignored = ignored
		}
		if err := a.announce(d, event); err != nil {
			return err
		}
	}
	switch {
	case len(d.receipt.Runs)+len(d.receipt.Reviews) > 0, d.receipt.Pending:
		d.receipt.Ignored = ""
	case d.receipt.Ignored == "":
		d.receipt.Ignored = "the delivery announces no push"
	}
	return a.take(d)
}

// acceptEvent queues the runs of one event, or says why there are none.
func (a *acceptance) acceptEvent(repository string, event state.Event) (runs []*state.Run, ignored string, err error) {
	if why := uninteresting(event); why != "" {
		return nil, why, nil
	}
	ignored = fmt.Sprintf("no stack follows %s", event.Ref)
	for _, stack := range a.q.following(repository, event.Ref) {
		run, why, err := a.push(stack, event)
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

// announce notes an event for the branch whose folders are stacks: which of
// them it concerns, only a look at the branch can tell.
func (a *acceptance) announce(d *delivery, event state.Event) error {
	if uninteresting(event) != "" {
		return nil
	}
	for _, t := range a.q.setup.Load().origin.templates {
		if t.Repository != d.repository || t.ref() != event.Ref {
			continue
		}
		kept, err := a.tx.Template(t.Name)
		if err != nil {
			return err
		}
		kept.Announce(state.Announced{Delivery: event.Delivery, Actor: event.Actor, Commit: event.After, Subject: event.Subject, Author: event.Author})
		if err := a.tx.PutTemplate(kept); err != nil {
			return err
		}
		d.receipt.Pending, d.pushed = true, true
	}
	return nil
}

// push queues a run for one stack, or says what the delivery itself proves.
func (a *acceptance) push(stack *pipeline.Stack, event state.Event) (run *state.Run, ignored string, err error) {
	known, err := a.stack(stack.Name)
	if err != nil {
		return nil, "", err
	}
	if j := known.Judged; j != nil && j.Commit == event.After && !j.Again {
		return nil, fmt.Sprintf("%s was already judged by run %s: %s", state.ShortCommit(event.After), j.Run, j.Status), nil
	}
	if why, err := unconcernedBy(event, stack, known); err != nil || why != "" {
		return nil, why, err
	}
	if err := a.baseMoved(stack, state.Trigger{Kind: state.TriggerWebhook, Actor: event.Actor, Delivery: event.Delivery}); err != nil {
		return nil, "", err
	}
	run = &state.Run{
		ID: state.NewRunID(), Stack: stack.Name, Kind: state.KindDeploy, Environment: stack.Environment,
		Trigger: state.Trigger{Kind: state.TriggerWebhook, Actor: event.Actor, Delivery: event.Delivery},
		Commit:  event.After, Subject: event.Subject, Author: event.Author, Forge: stack.Forge(),
		Status: state.RunQueued, CreatedAt: a.now, Stages: []state.StageResult{},
	}
	if v, what := admit(stack, run, known, a.now); v == verdictIgnore {
		if known.Head != event.After {
			known.Head, known.HeadRelease = event.After, ""
		}
		return nil, fmt.Sprintf("%s is held by a %s; the push is shown, not deployed", stack.Name, what), a.tx.PutStack(known)
	}
	return run, "", a.enqueue(run)
}

func (a *acceptance) stack(name string) (*state.Stack, error) {
	if known := a.known[name]; known != nil {
		return known, nil
	}
	known, err := a.tx.Stack(name)
	a.known[name] = known
	return known, err
}

// enqueue notes a new run, and those whose place it takes, to be stored.
func (a *acceptance) enqueue(run *state.Run) (err error) {
	if err := a.load(); err != nil {
		return err
	}
	for _, ended := range supersede(run, a.active, a.now) {
		if !slices.Contains(a.changed, ended) {
			a.changed = append(a.changed, ended)
		}
	}
	a.active = append(slices.DeleteFunc(a.active, func(r *state.Run) bool { return r.Status.Terminal() }), run)
	a.changed = append(a.changed, run)
	return nil
}

// load reads the runs that are not over, once.
func (a *acceptance) load() (err error) {
	if a.active == nil {
		a.active, err = a.tx.ActiveRuns()
	}
	return err
}

// store writes the runs. Of those that were superseded no more than the
// retention allows is left, so that a flood of pushes does not fill the disk.
func (a *acceptance) store() error {
	superseded := map[string]int{}
	for _, run := range a.changed {
		if err := putTelling(a.tx, run, a.now); err != nil {
			return err
		}
		if run.Status == state.RunSuperseded && run.Kind == state.KindDeploy {
			superseded[run.Stack]++
		}
	}
	for stack, n := range superseded {
		if err := a.trim(stack, n); err != nil {
			return err
		}
	}
	return nil
}

// trimEvery is how many pushes of a stack may be superseded beyond the
// retention before they are looked at: looking costs as much for one.
const trimEvery = 100

// trim forgets superseded pushes of a stack, of which n are new.
func (a *acceptance) trim(stack string, n int) error {
	counted := a.q.intake.superseded
	if counted[stack] += n; counted[stack] < trimEvery {
		return nil
	}
	counted[stack] = 0
	return a.tx.TrimSuperseded(stack, a.q.runner.Retention().Runs)
}
