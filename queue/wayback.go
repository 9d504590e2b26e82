package queue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// wayBackLimit bounds the look at the images of the last good release.
const wayBackLimit = 5 * time.Second

// wayBackReading says that the last good release could not be run again, as
// after a `docker image prune -a` by hand; nil where it could, or where the
// Engine does not answer.
func (q *Queue) wayBackReading(ctx context.Context, stack *pipeline.Stack, known *state.Stack) *state.Reading {
	if known.LastGood == nil {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, wayBackLimit)
	defer done()
	started := q.now()
	missing, err := stack.Target.MissingImages(ctx, known.LastGood.ImageIDs())
	if err != nil || len(missing) == 0 {
		return nil
	}
	at := q.now().UTC()
	return &state.Reading{
		Key: "way back", Check: "way back", Status: state.StepFailed, At: at, Since: at, Took: at.Sub(started),
		Message: fmt.Sprintf("release %s could not be run again: its images are no longer on the Engine: %s", state.ShortCommit(known.LastGood.Commit), strings.Join(missing, ", ")),
		Hint:    pipeline.HowToReload(known.LastGood, missing) + ", or push: the next release that is verified is the one to go back to",
	}
}
