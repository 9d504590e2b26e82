package pipeline

import (
	"errors"
	"slices"

	"deployer/state"
)

// Outcome is what a run made of what was merged.
func Outcome(run *state.Run) *state.Outcome {
	return &state.Outcome{Run: run.ID, Commit: run.Commit, Status: run.Status, Error: run.Error, RolledBackTo: run.RolledBackTo}
}

// tellReviews gives merged reviews that wait for it the outcome of a deploy of
// their branch: of the merge itself, or of a later commit, which came after it.
func (x *Execution) tellReviews(tx *state.Tx, s *state.Stack) error {
	run := x.Run
	if run.Kind != state.KindDeploy || run.Want.Commit != "" || run.Want.Environment != "" || run.Commit == "" {
		return nil
	}
	for _, p := range slices.Clone(s.Proposals) {
		if !p.Ended || (p.Merged != run.Commit && !x.follows(p.Merged)) {
			continue
		}
		s.Withdraw(p.Pull)
		review, err := tx.Run(p.Run)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		told := *review.Review
		told.Outcome = Outcome(run)
		review.Review = &told
		if err := errors.Join(tx.PutRun(review), tx.AddNotice(review, x.runner.now().UTC())); err != nil {
			return err
		}
	}
	return nil
}

// follows reports whether the run's commit can be taken for one that has the
// merge: the run began to fetch after the forge had told of it, and so before
// the stack was read.
func (x *Execution) follows(merge string) bool {
	return slices.ContainsFunc(x.Known.Proposals, func(p state.Proposal) bool { return p.Ended && p.Merged == merge })
}
