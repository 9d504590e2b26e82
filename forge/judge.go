package forge

import (
	"context"
	"errors"
	"slices"

	"deployer/state"
)

// firstOf returns the error that trying again may change, else the first one.
func firstOf(next, before error) error {
	if before == nil || (next != nil && !isRefusal(next)) {
		return next
	}
	return before
}

// judge decides what becomes of an error: another try, or a line in the log
// and a step of the run that say that the forge does not show it.
func (r *Reporter) judge(ctx context.Context, err error, notice *state.Notice, run *state.Run, l *line) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	var refused *Refusal
	why, hint := r.options.Mask(err.Error()), "see that the forge answers, and that forge.api in deployer.yaml is right"
	switch {
	case errors.As(err, &refused):
		hint = refused.Hint
	case r.options.Now().Sub(notice.At) < staleAfter:
		return err
	default:
		why = "given up after a day: " + why
	}
	if l.refused == hint && !run.Status.Terminal() {
		return nil // it is said once, and again at the end
	}
	l.refused = hint
	r.options.Log.Error("the forge does not show how a run stands", "run", run.ID, "stack", run.Stack, "commit", state.ShortCommit(run.Commit), "error", why, "hint", hint)
	return r.options.Store.Update(func(tx *state.Tx) error { return note(tx, run.ID, why, hint) })
}

// note adds it to the last stage of a run that is over. Others go on, and are
// told again at their end.
func note(tx *state.Tx, id, why, hint string) error {
	run, err := tx.Run(id)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil || !run.Status.Terminal() {
		return err
	}
	for i := len(run.Stages) - 1; i >= 0; i-- {
		stage := &run.Stages[i]
		if stage.StartedAt == nil {
			continue
		}
		stage.Steps = slices.DeleteFunc(stage.Steps, func(s state.Step) bool { return s.Name == reportStep })
		stage.Steps = append(stage.Steps, state.Step{Name: reportStep, Status: state.StepWarned, Message: why, Hint: hint})
		return tx.PutRun(run)
	}
	return nil
}
