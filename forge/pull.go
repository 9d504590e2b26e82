package forge

import (
	"context"
	"errors"

	"deployer/state"
)

// lookAhead bounds the notices that are searched for one that tells more.
const lookAhead = 500

// comment makes a review part of what its pull request's comment shows, and
// writes that. Where more of the same pull request is to be told, the last of
// it writes.
func (r *Reporter) comment(ctx context.Context, repository string, client Client, notice *state.Notice, run *state.Run) error {
	pull := run.Review.Pull
	var runs []*state.Run
	err := r.options.Store.Update(func(tx *state.Tx) error {
		runs = nil
		shown, err := tx.Shown(repository, pull)
		if err != nil {
			return err
		}
		shown.Runs[run.Stack], shown.At = run.ID, r.options.Now().UTC()
		for stack, id := range shown.Runs {
			one, err := tx.Run(id)
			if errors.Is(err, state.ErrNotFound) {
				delete(shown.Runs, stack)
				continue
			}
			if err != nil {
				return err
			}
			runs = append(runs, one)
		}
		return tx.PutShown(repository, pull, shown)
	})
	if err != nil {
		return err
	}
	if more, err := r.toldLater(repository, pull, notice.Number); more || err != nil {
		return err
	}
	marker, body := Comment(r.options.URL, runs...)
	if body == "" {
		return nil
	}
	return client.PutComment(ctx, pull, marker, r.options.Mask(body))
}

// toldLater reports whether a later notice has the comment of a pull request
// written too.
func (r *Reporter) toldLater(repository string, pull int, after uint64) (more bool, err error) {
	err = r.options.Store.View(func(tx *state.Tx) error {
		for range lookAhead {
			n, err := tx.NextNotice(after)
			if errors.Is(err, state.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			after = n.Number
			run, err := tx.Run(n.Run)
			if errors.Is(err, state.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if run.Kind == state.KindReview && run.Review.Pull == pull && run.Status.Terminal() && speaks(run) && !overtaken(n, run) &&
				!left(n, run) && or(run.Forge, r.options.RepositoryOf(run.Stack)) == repository {
				more = true
				return nil
			}
		}
		return nil
	})
	return more, err
}
