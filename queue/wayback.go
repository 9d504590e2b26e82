package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// wayBackLimit bounds the look at the images of releases to go back to.
const wayBackLimit = 5 * time.Second

// Keys of the readings that are of no check: what somebody's `docker image
// prune -a` took away.
const (
	wayBackKey  = "way back" // a failed deploy would go there
	rollbackKey = "rollback" // a person would
)

func isWayBack(r state.Reading) bool { return r.Key == wayBackKey || r.Key == rollbackKey }

// waysBack says which releases could not be run again for want of images: the
// last good one, which fails, and the one that a person's rollback goes to, of
// which it warns. It has nothing to say of those that could.
func (q *Queue) waysBack(ctx context.Context, stack *pipeline.Stack, known *state.Stack) (out []state.Reading, err error) {
	ctx, done := context.WithTimeout(ctx, wayBackLimit)
	defer done()
	look := func(key string, of *state.Release, status state.StepStatus, what, otherwise string) error {
		started := q.now()
		missing, err := stack.Target.MissingImages(ctx, of.ImageIDs())
		if err != nil || len(missing) == 0 {
			return err
		}
		at := q.now().UTC()
		out = append(out, state.Reading{
			Key: key, Check: key, Status: status, At: at, Since: at, Took: at.Sub(started),
			Hint:    pipeline.HowToReload(of, missing) + ", or " + otherwise,
			Message: fmt.Sprintf("release %s%s could not be run again: its images are no longer on the Engine: %s", state.ShortCommit(of.Commit), what, strings.Join(missing, ", ")),
		})
		return nil
	}
	good := known.LastGood
	if good == nil {
		return nil, nil
	}
	if err := look(wayBackKey, good, state.StepFailed, "", "push once with rollback: {automatic: false}: the next release that is verified is the one to go back to"); err != nil {
		return nil, err
	}
	before, err := q.goodBefore(known)
	if err != nil || before == nil || before.ID == good.ID {
		return out, err
	}
	err = look(rollbackKey, before, state.StepWarned, ", which `deployer rollback` goes to,", "go to another one: deployer rollback --to RUN")
	return out, err
}

// goodBefore is the release that a person's rollback goes to; nil for none.
func (q *Queue) goodBefore(known *state.Stack) (to *state.Release, err error) {
	err = q.store.View(func(tx *state.Tx) error {
		releases, err := tx.Releases(known.Name)
		if err != nil {
			return err
		}
		to, _ = pickRelease(known, releases, "") // refused: there is none
		return nil
	})
	return to, err
}

// lostWayBack reports whether the last good release could not be run again.
func (q *Queue) lostWayBack(ctx context.Context, stack *pipeline.Stack, known *state.Stack) bool {
	lost, _ := q.waysBack(ctx, stack, known) // an Engine that does not answer has lost nothing
	return slices.ContainsFunc(lost, func(r state.Reading) bool { return r.Status == state.StepFailed })
}

// lookBack adds to a look at a stack what it says of the ways back. Where the
// Engine does not answer, that is what was known of them before.
func (q *Queue) lookBack(ctx context.Context, stack *pipeline.Stack, known *state.Stack, run *state.Run, readings []state.Reading) []state.Reading {
	lost, err := q.waysBack(ctx, stack, known)
	if err != nil {
		lost = slices.DeleteFunc(slices.Clone(known.Readings), func(r state.Reading) bool { return !isWayBack(r) })
	}
	for _, r := range lost {
		steps := &run.Stages[0].Steps
		*steps = append(*steps, state.Step{Name: r.Check, Status: r.Status, Message: r.Message, Hint: r.Hint, DurationMS: r.Took.Milliseconds()})
	}
	return append(readings, lost...)
}
