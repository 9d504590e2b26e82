package pipeline

import (
	"context"
	"errors"

	"deployer/gitsync"
	"deployer/project"
)

// A hinted error carries what an operator can do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// WithHint adds to err what to do next.
func WithHint(err error, hint string) error { return hinted{err, hint} }

// hintElse adds what to do to an error that does not say it.
func hintElse(err error, hint string) error {
	if Hint(err) != "" {
		return err
	}
	return WithHint(err, hint)
}

// Hint returns what to do about err, empty where nobody said.
func Hint(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	var own interface{ Hint() string }
	if errors.As(err, &own) {
		return own.Hint()
	}
	return ""
}

// nothingToDo ends a run well before anything was changed.
type nothingToDo struct{ why string }

func (n nothingToDo) Error() string { return n.why }

// waiting ends a run's way for now: it goes on, from its start, when what it
// waits for is there.
type waiting struct{ what string }

func (w waiting) Error() string { return "waiting for " + w.what }

// skip ends a stage that has nothing to do in this run.
type skip struct{ why string }

func (s skip) Error() string { return s.why }

// isOutage reports whether err is a failure to reach something: the same may
// work in a moment.
func isOutage(err error) bool {
	var own interface{ Retryable() bool }
	return errors.Is(err, project.ErrEngineUnreachable) || gitsync.Retryable(err) ||
		(errors.As(err, &own) && own.Retryable())
}

// mayPass reports whether poll may try again what failed with err: after an
// outage, once the credentials of a repository that were being replaced let
// poll in again, and once the commit of a submodule was pushed too.
func mayPass(err error) bool {
	return isOutage(err) || errors.Is(err, gitsync.ErrAuth) || errors.Is(err, gitsync.ErrNotAtRemote)
}

// Why a run's context ended.
var (
	// ErrCanceled: a person ends the run, or has it go back.
	ErrCanceled = errors.New("canceled")
	// ErrStopping: the next start of deployer goes on with the run.
	ErrStopping = errors.New("deployer is stopping")
	errDeadline = errors.New("the stage's deadline passed")
)

// endedBy reports whether ctx ended for the given cause.
func endedBy(ctx context.Context, cause error) bool {
	return ctx.Err() != nil && errors.Is(context.Cause(ctx), cause)
}
