package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"deployer/gitsync"
	"deployer/pipeline/check"
	"deployer/state"
)

// runStage does one stage with its deadline, and again where it failed on
// something that may be back in a moment.
func (r *Runner) runStage(ctx context.Context, x *Execution, st stage) error {
	result := x.Run.Stage(st.name)
	if result == nil {
		result = x.addStage(st)
	}
	started := r.now().UTC()
	result.Status, result.StartedAt, result.Steps = state.StageRunning, &started, []state.Step{}
	x.stage = result
	x.show()

	ctx, done := context.WithTimeoutCause(ctx, st.limit(x), errDeadline)
	defer done()
	err := r.persist(ctx, x, st)

	finished := r.now().UTC()
	result.FinishedAt = &finished
	if n := (nothingToDo{}); errors.As(err, &n) {
		x.record("compare", check.Result{Status: state.StepPassed, Message: n.why}, 0)
	}
	result.Status, err = judgeStage(result, err)
	x.Logf("%s %s in %s", st.name, result.Status, finished.Sub(started).Round(time.Millisecond))
	x.show()
	if err != nil && !errors.As(err, &nothingToDo{}) && !errors.As(err, &waiting{}) {
		return stageError{st.name, err}
	}
	return err
}

// addStage makes a place for the result of a stage that was not foreseen: at
// the end, or before the deploy.
func (x *Execution) addStage(st stage) *state.StageResult {
	at := len(x.Run.Stages)
	if st.name == state.StageBackup {
		at = slices.IndexFunc(x.Run.Stages, func(r state.StageResult) bool { return r.Name == state.StageDeploy })
	}
	x.Run.Stages = slices.Insert(x.Run.Stages, at, state.StageResult{Name: st.name, Steps: []state.Step{}})
	return &x.Run.Stages[at]
}

// judgeStage turns what a stage returned into its status and into what the
// run does next.
func judgeStage(result *state.StageResult, err error) (state.StageStatus, error) {
	var s skip
	switch {
	case err == nil, errors.As(err, &nothingToDo{}):
		return state.StagePassed, err
	case errors.As(err, &waiting{}):
		return state.StagePending, err
	case errors.As(err, &s):
		result.Steps = append(result.Steps, state.Step{Name: string(result.Name), Status: state.StepSkipped, Message: s.why})
		return state.StageSkipped, nil
	}
	return state.StageFailed, err
}

// persist repeats a stage while it fails on an outage: a few times before the
// target was changed, until the deadline after.
func (r *Runner) persist(ctx context.Context, x *Execution, st stage) error {
	for attempt := 0; ; attempt++ {
		err := r.attempt(ctx, x, st)
		if ctx.Err() != nil && err != nil {
			if cause := context.Cause(ctx); !errors.Is(err, cause) {
				return fmt.Errorf("%w: %w", cause, err)
			}
			return err
		}
		if err == nil || !isOutage(err) || x.impatient || (x.Run.Phase == state.PhasePreparing && attempt == 2) {
			return err
		}
		pause := min(time.Second<<attempt/2, 5*time.Second)
		x.Logf("%s: %v; trying again in %s", st.name, err, pause)
		for i := range x.stage.Steps {
			if x.stage.Steps[i].Status == state.StepFailed {
				x.stage.Steps[i].Status = state.StepWarned
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// attempt does a stage once. A panic in it is its failure, not the server's.
func (r *Runner) attempt(ctx context.Context, x *Execution, st stage) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.parts.Log.Error("panic in a stage", "run", x.Run.ID, "stage", st.name, "panic", p, "stack", string(debug.Stack()))
			err = WithHint(fmt.Errorf("a fault of deployer itself: %v", p), "see the server's log, and report it")
		}
	}()
	for _, s := range []*gitsync.Snapshot{x.Snapshot, x.base} {
		if s != nil {
			s.During(ctx)
		}
	}
	return st.work(ctx, x)
}

// stageError names the stage that failed.
type stageError struct {
	stage state.StageName
	error
}

func (e stageError) Error() string { return fmt.Sprintf("%s: %v", e.stage, e.error) }
func (e stageError) Unwrap() error { return e.error }
