package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"deployer/pipeline/check"
	"deployer/state"
)

const (
	alarmLimit = 5 * time.Second // of reading what the containers of one alarm wrote: others wait for it
	alarmLines = 20              // of a container's log
)

// Alarm makes the run that tells what is the matter with containers of a live
// release, and what is no longer. It has no end yet; it is not stored. The
// readings are those of the troubles, masked; the message of one that is over
// says how.
func (r *Runner) Alarm(ctx context.Context, stack *Stack, known *state.Stack, raised []Trouble, over []state.Reading) (run *state.Run, readings []state.Reading, log []byte, err error) {
	l := r.newLook(stack, known, state.TriggerEngine)
	_, err = l.open(known.Live)
	reading, done := context.WithTimeoutCause(ctx, alarmLimit, fmt.Errorf("the Engine did not give them within %s", alarmLimit))
	defer done()
	for _, t := range raised {
		readings = append(readings, l.raise(reading, t, err))
	}
	for _, was := range over {
		l.record(was.Check, check.Result{Status: state.StepPassed, Message: was.Message}, 0)
	}
	if ctx.Err() != nil {
		return nil, nil, nil, context.Cause(ctx)
	}
	log, err = l.end()
	return l.Run, readings, log, err
}

// raise records a trouble with its evidence. Where the release cannot be
// opened its secrets are not known, so nothing that a container wrote is shown.
func (l *look) raise(ctx context.Context, t Trouble, unknown error) state.Reading {
	message, at := t.What, l.runner.now().UTC()
	if t.Evidence != "" && unknown == nil {
		message += ": " + l.excerpt(t.Evidence)
	}
	if t.Since.IsZero() {
		t.Since = at
	}
	message += "; since " + t.Since.UTC().Format(time.DateTime) + " UTC"
	message += fmt.Sprintf("\nlive is %s", strings.TrimSpace(state.ShortCommit(l.Run.Commit)+" "+l.Run.Subject))
	if t.Container != "" {
		message += l.lastLines(ctx, t.Container, unknown)
	}
	l.record(t.Name, check.Result{Status: state.StepFailed, Message: message, Hint: t.Hint}, l.since(at))
	step := l.stage.Steps[len(l.stage.Steps)-1]
	return state.Reading{Key: t.Key, Check: step.Name, Status: step.Status, Message: step.Message, Hint: step.Hint, Since: t.Since.UTC()}
}

func (l *look) lastLines(ctx context.Context, container string, unknown error) string {
	if unknown != nil {
		return fmt.Sprintf("\nits last lines are not shown, since its secrets are not known: %v", unknown)
	}
	lines, err := l.Stack.Target.Logs(ctx, container, alarmLines, time.Time{})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil:
		return fmt.Sprintf("\nits last lines could not be read: %v", err)
	case strings.TrimSpace(lines) == "":
		return "\nit has written nothing"
	}
	// Masked as it was written: a line that is cut could end within a secret.
	return "\nits last lines:\n" + check.LastLines(l.Mask.Redact(lines), alarmLines)
}

const maxEvidence = 300 // runes

// excerpt is the masked beginning of a text.
func (l *look) excerpt(text string) string {
	runes := []rune(l.Mask.Redact(text))
	if len(runes) > maxEvidence {
		return string(runes[:maxEvidence]) + "…"
	}
	return string(runes)
}
