package queue

import (
	"errors"
	"fmt"
	"slices"

	"deployer/pipeline"
	"deployer/state"
)

// endReviews marks the reviews of a pull request that is closed or merged.
func (a *acceptance) endReviews(repository string, p *state.PullRequest) (said string, err error) {
	names, err := a.forgetPull(repository, p.Number, func(*Template) bool { return true })
	if err != nil {
		return "", err
	}
	for _, stack := range a.q.ofRepository(repository) {
		names = append(names, stack.Name)
	}
	slices.Sort(names)
	ended := 0
	for _, name := range slices.Compact(names) {
		done, err := a.endReview(name, p)
		if err != nil {
			return "", err
		}
		if done {
			ended++
		}
	}
	said = fmt.Sprintf("pull request %d was %s", p.Number, p.Action)
	switch {
	case ended == 0:
		said += "; nothing was planned for it"
	case p.Action == state.PullMerged:
		said += "; its reviews are over, and the push of the merge is deployed"
	default:
		said += "; its reviews are over"
	}
	return said, nil
}

// endReview marks the newest review of one stack. Of a merge the stack goes on
// to remember it, until the deploy of the merge says how it ended.
func (a *acceptance) endReview(stack string, p *state.PullRequest) (bool, error) {
	known, err := a.stack(stack)
	if err != nil {
		return false, err
	}
	proposal := known.Withdraw(p.Number)
	if proposal == nil || proposal.Ended {
		return false, nil
	}
	runs, err := a.spokenOf(proposal)
	if len(runs) == 0 || err != nil {
		return false, errors.Join(err, a.tx.PutStack(known))
	}
	ended := state.Review{Ended: state.EndedClosed}
	if p.Action == state.PullMerged {
		ended.Ended, ended.Merged = state.EndedMerged, p.MergeCommit
		settled := runs[len(runs)-1].Review.Folder.Settled() // no deploy follows
		if ended.Outcome, err = a.outcomeOf(known, p.MergeCommit); err != nil {
			return false, err
		}
		if ended.Outcome == nil && !settled {
			known.Propose(state.Proposal{Pull: p.Number, Run: runs[len(runs)-1].ID, Ended: true, Merged: p.MergeCommit})
		}
	}
	for _, run := range runs {
		review := *run.Review
		review.Ended, review.Merged, review.Outcome = ended.Ended, ended.Merged, ended.Outcome
		run.Review = &review
		if run.Status == state.RunQueued || run.Status == state.RunWaiting {
			run.Status, run.FinishedAt, run.Error = state.RunCanceled, &a.now, "the pull request was "+string(p.Action)
		}
		if err := a.note(run); err != nil {
			return false, err
		}
	}
	return true, a.tx.PutStack(known)
}

// spokenOf are the reviews of a pull request that people look at, the last one
// with its plan: a merge moves the base, and the review that is queued for
// that, or that finds nothing left to do, has none.
func (a *acceptance) spokenOf(p *state.Proposal) (runs []*state.Run, err error) {
	for _, id := range []string{p.Run, p.Plan} {
		run, err := a.review(id)
		if err != nil {
			return nil, err
		}
		if run == nil {
			continue
		}
		runs = append(runs, run)
		if run.Changes != nil {
			break
		}
	}
	return runs, nil
}

// outcomeOf is how the merge was deployed where that was quicker than the news
// of the merge.
func (a *acceptance) outcomeOf(known *state.Stack, merge string) (*state.Outcome, error) {
	if merge == "" || known.Judged == nil || known.Judged.Commit != merge {
		return nil, nil
	}
	run, err := a.tx.Run(known.Judged.Run)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return pipeline.Outcome(run), nil
}
