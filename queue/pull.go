package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/state"
)

// announcePull notes a pull request for the branch whose folders are stacks:
// which of them it concerns, only a look at what it proposes can tell.
func (a *acceptance) announcePull(d *delivery, event state.Event) error {
	p := event.PullRequest
	if p == nil || p.Action == state.PullClosed || p.Action == state.PullMerged {
		return nil
	}
	for _, t := range a.q.setup.Load().origin.templates {
		if t.Repository != d.repository || t.ref() != p.Base {
			continue
		}
		if p.Fork && !t.PlanForks {
			d.receipt.Ignored = forksIgnored(p.Number, d.repository)
			continue
		}
		kept, err := a.tx.Template(t.Name)
		if err != nil {
			return err
		}
		next := state.Pull{
			PullRequest: *p, Delivery: event.Delivery, Actor: event.Actor,
			Title: event.Subject, Author: event.Author, Waiting: true,
		}
		if known := kept.Pull(p.Number); known != nil {
			next.Stacks = known.Stacks
		}
		kept.PutPull(next)
		if err := a.tx.PutTemplate(kept); err != nil {
			return err
		}
		d.receipt.Pending, d.pulled = true, true
	}
	return nil
}

func forksIgnored(pull int, repository string) string {
	return fmt.Sprintf("pull request %d comes from another repository, and forge.forks of %s is ignore", pull, repository)
}

// forgetPull makes templates forget a pull request, and returns the stacks
// that it was planned for.
func (a *acceptance) forgetPull(repository string, number int, of func(*Template) bool) (stacks []string, err error) {
	for _, t := range a.q.setup.Load().origin.templates {
		if t.Repository != repository || !of(t) {
			continue
		}
		kept, err := a.tx.Template(t.Name)
		if err != nil {
			return nil, err
		}
		if dropped := kept.DropPull(number); dropped != nil {
			stacks = append(stacks, dropped.Stacks...)
			if err := a.tx.PutTemplate(kept); err != nil {
				return nil, err
			}
		}
	}
	return stacks, nil
}

// watchPulls looks at the pull requests on a branch that are announced, until
// ctx ends. Pushes do not wait for it.
func (q *Queue) watchPulls(ctx context.Context, b *branch) {
	q.keepLooking(ctx, b, "look at pull requests for the stacks in folders", q.lookAtPulls, b.pulled, nil)
}

// lookAtPulls looks at all that wait. One that cannot be looked at does not
// hold up the others.
func (q *Queue) lookAtPulls(ctx context.Context, b *branch) error {
	waiting, err := q.waitingPulls(b)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range waiting {
		err := q.lookAtPull(ctx, b, p)
		if err == nil || ctx.Err() != nil {
			continue
		}
		err = fmt.Errorf("pull request %d: %w", p.Number, err)
		if errors.Is(err, gitsync.ErrNotFound) { // the same the next time
			q.log.Warn("a pull request gets no plan", "repository", b.repository, "error", err, "hint", pipeline.Hint(err))
			err = q.settleUnread(b, p, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// waitingPulls are the pull requests that wait for a look, in the order that
// they were announced.
func (q *Queue) waitingPulls(b *branch) (out []state.Pull, err error) {
	err = q.store.View(func(tx *state.Tx) error {
		out = nil
		for _, t := range b.templates {
			kept, err := tx.Template(t.Name)
			if err != nil {
				return err
			}
			for _, p := range kept.Pulls {
				if p.Waiting && !slices.ContainsFunc(out, func(o state.Pull) bool { return o.Number == p.Number }) {
					out = append(out, p)
				}
			}
		}
		return nil
	})
	return out, err
}

// lookAtPull queues a review for each stack that a pull request concerns.
func (q *Queue) lookAtPull(ctx context.Context, b *branch, p state.Pull) error {
	ctx, done := context.WithTimeout(ctx, 2*time.Minute)
	defer done()
	t := b.templates[0]
	proposal, err := pipeline.FetchProposal(ctx, b.mirror, t.Provider, b.name, &state.Review{Pull: p.Number, Head: p.Head, HeadRef: p.HeadRef, Fork: p.Fork})
	if err != nil {
		return err
	}
	concerned, err := q.concernedByPull(ctx, b, proposal)
	if err != nil {
		return err
	}
	return q.settlePull(b, p, concerned)
}

// settlePull stores what the look at a pull request has found, unless newer
// news of it came meanwhile: then the next look does. What it does not concern
// any more is said of the reviews before.
func (q *Queue) settlePull(b *branch, p state.Pull, concerned []concernedFolder) error {
	var changed []*state.Run
	err := q.store.Update(func(tx *state.Tx) error {
		changed = nil
		now, err := q.stillWaits(tx, b, p)
		if err != nil || !now {
			return err
		}
		a := &acceptance{q: q, tx: tx, now: q.now().UTC(), known: map[string]*state.Stack{}}
		var names []string
		for _, c := range concerned {
			names = append(names, c.stack)
			if c.said {
				continue
			}
			if err := a.propose(c.review(b, p, a.now)); err != nil {
				return err
			}
		}
		for _, name := range p.Stacks {
			if !slices.Contains(names, name) {
				if err := a.dropReview(name, p.Number); err != nil {
					return err
				}
			}
		}
		for _, t := range b.templates {
			kept, err := tx.Template(t.Name)
			if err != nil {
				return err
			}
			if known := kept.Pull(p.Number); known != nil {
				known.Waiting, known.Stacks, known.Reason = false, names, ""
				if err := tx.PutTemplate(kept); err != nil {
					return err
				}
			}
		}
		changed = a.changed
		return errors.Join(a.store(), rememberRuns(tx, b.repository, []state.Announced{{Delivery: p.Delivery}}, queuedOf(changed)))
	})
	if err == nil && len(changed) > 0 {
		q.changed(changed...)
	}
	return err
}

// stillWaits reports whether a pull request is as it was when it was looked at.
func (q *Queue) stillWaits(tx *state.Tx, b *branch, p state.Pull) (bool, error) {
	for _, t := range b.templates {
		kept, err := tx.Template(t.Name)
		if err != nil {
			return false, err
		}
		known := kept.Pull(p.Number)
		if known != nil && known.Waiting && known.Delivery == p.Delivery && known.PullRequest == p.PullRequest {
			return true, nil
		}
	}
	return false, nil
}

func queuedOf(runs []*state.Run) []*state.Run {
	return slices.DeleteFunc(slices.Clone(runs), func(r *state.Run) bool { return r.Status != state.RunQueued })
}

// dropReview says of the newest review of a pull request that it concerns the
// stack no more.
func (a *acceptance) dropReview(stack string, pull int) error {
	known, err := a.stack(stack)
	if err != nil {
		return err
	}
	proposal := known.Withdraw(pull)
	if proposal == nil || proposal.Ended {
		return nil
	}
	runs, err := a.spokenOf(proposal)
	if err != nil {
		return err
	}
	for _, run := range runs {
		review := *run.Review
		review.Ended = state.EndedDropped
		run.Review = &review
		if run.Status == state.RunQueued || run.Status == state.RunWaiting {
			run.Status, run.FinishedAt, run.Error = state.RunCanceled, &a.now, "the pull request concerns the stack no more"
		}
		if err := a.note(run); err != nil {
			return err
		}
	}
	return a.tx.PutStack(known)
}

// lookAtPullsAgain has the newest pull requests looked at whose plan may be
// another one since the branch has other folders.
func lookAtPullsAgain(kept *state.Template, reason string) {
	for i := max(0, len(kept.Pulls)-replanned); i < len(kept.Pulls); i++ {
		kept.Pulls[i].Waiting, kept.Pulls[i].Reason = true, reason
	}
}
