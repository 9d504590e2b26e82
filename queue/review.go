package queue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// replanned bounds how many pull requests of a stack are planned again when
// its branch moves: the newest. The others stay marked as stale.
const replanned = 20

// pullRequest queues a review for each stack that a pull request concerns, or
// says why there is none.
func (a *acceptance) pullRequest(repository string, event state.Event) (reviews []*state.Run, ignored string, err error) {
	p := event.PullRequest
	if p == nil {
		return nil, "the delivery does not say which pull request it is about", nil
	}
	if p.Action == state.PullClosed || p.Action == state.PullMerged {
		ignored, err = a.endReviews(repository, p)
		return nil, ignored, err
	}
	stacks := a.q.following(repository, p.Base)
	if err := a.retarget(repository, p, stacks); err != nil {
		return nil, "", err
	}
	ignored = fmt.Sprintf("no stack follows %s", p.Base)
	for _, stack := range stacks {
		if p.Fork && !stack.PlanForks {
			ignored = forksIgnored(p.Number, repository)
			continue
		}
		run := &state.Run{
			ID: state.NewRunID(), Stack: stack.Name, Kind: state.KindReview, Environment: stack.Environment,
			Trigger: state.Trigger{Kind: state.TriggerWebhook, Actor: event.Actor, Delivery: event.Delivery},
			Commit:  p.Head, Subject: event.Subject, Author: event.Author, Forge: stack.Forge(),
			Status: state.RunQueued, CreatedAt: a.now, Stages: []state.StageResult{},
			Review: &state.Review{
				Pull: p.Number, Title: event.Subject, Base: strings.TrimPrefix(p.Base, "refs/heads/"),
				Head: p.Head, HeadRef: p.HeadRef, Fork: p.Fork,
			},
		}
		if err := a.propose(run); err != nil {
			return nil, "", err
		}
		reviews = append(reviews, run)
	}
	return reviews, ignored, nil
}

// propose queues a review and makes it the newest of its pull request.
func (a *acceptance) propose(run *state.Run) error {
	known, err := a.stack(run.Stack)
	if err != nil {
		return err
	}
	next := state.Proposal{Pull: run.Review.Pull, Run: run.ID}
	if last := known.Withdraw(next.Pull); last != nil {
		next.Plan = last.Plan
		if old, err := a.review(last.Run); err != nil {
			return err
		} else if old != nil && old.Changes != nil {
			next.Plan = last.Run
		}
	}
	known.Propose(next)
	return errors.Join(a.tx.PutStack(known), a.enqueue(run))
}

// retarget ends the reviews of stacks that a pull request is no longer
// proposed to, since it goes to another branch now.
func (a *acceptance) retarget(repository string, p *state.PullRequest, to []*pipeline.Stack) error {
	away := &state.PullRequest{Number: p.Number, Action: state.PullClosed}
	for _, stack := range a.q.ofRepository(repository) {
		if slices.Contains(to, stack) || stack.Template != "" && stack.Ref() == p.Base { // a look finds out
			continue
		}
		if _, err := a.endReview(stack.Name, away); err != nil {
			return err
		}
	}
	names, err := a.forgetPull(repository, p.Number, func(t *Template) bool { return t.ref() != p.Base })
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := a.endReview(name, away); err != nil {
			return err
		}
	}
	return nil
}

// baseMoved marks the open reviews of a stack as stale and queues the newest
// of them again: each is planned once, however often the base moves meanwhile.
func (a *acceptance) baseMoved(stack *pipeline.Stack, by state.Trigger) error {
	known, err := a.stack(stack.Name)
	if err != nil || len(known.Proposals) == 0 {
		return err
	}
	by.Reason = stack.Branch + " has moved"
	for i, p := range slices.Clone(known.Proposals) {
		if p.Ended {
			continue
		}
		old, err := a.review(p.Run)
		if err != nil {
			return err
		}
		if old == nil {
			known.Withdraw(p.Pull)
			continue
		}
		if old.Review.Folder.Settled() { // what moves the base is not its plan's matter
			continue
		}
		if old.Status.Terminal() || old.Status == state.RunRunning {
			stale := *old.Review
			stale.Stale = true
			old.Review = &stale
			if err := a.note(old); err != nil {
				return err
			}
		}
		if i >= len(known.Proposals)-replanned {
			if err := a.propose(again(old, by, a.now, stack)); err != nil {
				return err
			}
		}
	}
	return a.tx.PutStack(known)
}

// review is a run that is stored or about to be, nil where it is forgotten.
func (a *acceptance) review(id string) (*state.Run, error) {
	if id == "" {
		return nil, nil
	}
	if err := a.load(); err != nil {
		return nil, err
	}
	for _, r := range slices.Concat(a.changed, a.active) {
		if r.ID == id {
			return r, nil
		}
	}
	run, err := a.tx.Run(id)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	return run, err
}

// note has a review stored, and told of.
func (a *acceptance) note(run *state.Run) error {
	if !slices.Contains(a.changed, run) {
		a.changed = append(a.changed, run)
	}
	return a.tx.AddNotice(run, a.now)
}

// again is a review of the same pull request.
func again(old *state.Run, by state.Trigger, now time.Time, stack *pipeline.Stack) *state.Run {
	review := *old.Review
	review.Stale, review.Behind, review.Ended, review.Merged, review.Outcome = false, false, "", "", nil
	return &state.Run{
		ID: state.NewRunID(), Stack: stack.Name, Kind: state.KindReview, Environment: stack.Environment, Trigger: by,
		Commit: review.Head, Subject: old.Subject, Author: old.Author, Forge: stack.Forge(),
		Status: state.RunQueued, CreatedAt: now, Stages: []state.StageResult{}, Review: &review,
	}
}

// reviewWaits reports whether a review has to wait: for one of the same pull
// request that is under way, and, planned anew since the base moved, for the
// deploy of what moved it. It never waits for a stack's other runs.
func (q *Queue) reviewWaits(run *state.Run, active []*state.Run) bool {
	return slices.ContainsFunc(active, func(other *state.Run) bool {
		switch {
		case other.Stack != run.Stack || other.ID == run.ID:
			return false
		case other.Kind == state.KindReview:
			return other.Status == state.RunRunning && other.Review.Pull == run.Review.Pull
		case run.Trigger.Reason == "" || !other.Kind.OfRelease():
			return false
		}
		return other.Status == state.RunRunning || other.Status == state.RunQueued
	})
}

// stackOf returns the stack that a run is of. That of a review may be one that
// the pull request only makes, or moves to another folder.
func (q *Queue) stackOf(run *state.Run) (*pipeline.Stack, bool) {
	setup := q.setup.Load()
	stack, ok := setup.stacks[run.Stack]
	if run.Review == nil || run.Review.Folder == nil {
		return stack, ok
	}
	folder := run.Review.Folder
	if ok && stack.Template == folder.Template && stack.Directory == folder.Directory && !stack.Left {
		return stack, true
	}
	for _, t := range setup.origin.templates {
		if t.Name != folder.Template {
			continue
		}
		if made, err := t.Make(run.Stack, folder.Directory); err == nil {
			made.Template = t.Name
			return made, true
		}
	}
	return nil, false
}

// ofRepository returns the stacks of a repository, by name.
func (q *Queue) ofRepository(repository string) []*pipeline.Stack {
	var out []*pipeline.Stack
	for _, s := range q.stacks() {
		if s.Repository == repository {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *pipeline.Stack) int { return strings.Compare(a.Name, b.Name) })
	return out
}
