package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"deployer/pipeline/check"
	"deployer/state"
)

const lookLimit = 10 * time.Minute // of one look at all checks of the monitor

// Look asks all checks of a live release's monitor, where it has one, side by
// side. The run that it returns has their steps and no end yet; it is not stored.
func (r *Runner) Look(ctx context.Context, stack *Stack, known *state.Stack, live *KeptRelease) (run *state.Run, readings []state.Reading, log []byte, err error) {
	ctx, done := context.WithTimeout(ctx, lookLimit)
	defer done()
	l := r.newLook(stack, known, state.TriggerSchedule)
	l.Mask.Add(live.Project.Secrets()...)
	var specs []check.Spec
	if live.File.Monitor != nil {
		specs = live.File.Monitor.Checks
	}
	w := live.world(l.Execution)
	answers := l.ask(ctx, specs, w)
	if ctx.Err() != nil {
		return nil, nil, nil, context.Cause(ctx)
	}
	for i := range answers {
		answers[i].Result = check.Diagnose(ctx, specs[i], w, answers[i].Result)
		l.record(specs[i].TitleIn(live.Env), answers[i].Result, answers[i].took)
	}
	if len(specs) > 0 {
		l.witness(ctx, w)
	}
	log, err = l.end()
	return l.Run, readingsOf(specs, l.stage.Steps, answers, r.now().UTC()), log, err
}

// A look is an execution of the one stage of a look at a live release.
type look struct {
	*Execution
	lines  bytes.Buffer
	masked io.Closer
}

func (r *Runner) newLook(stack *Stack, known *state.Stack, by state.TriggerKind) *look {
	started, live := r.now().UTC(), known.Live
	run := &state.Run{
		ID: state.NewRunID(), Stack: stack.Name, Kind: state.KindMonitor, Trigger: state.Trigger{Kind: by},
		Commit: live.Commit, Subject: live.Subject, Environment: live.Environment, Release: live.ID,
		CreatedAt: started, StartedAt: &started,
		Stages: []state.StageResult{{Name: state.StageVerify, StartedAt: &started, Steps: []state.Step{}}},
	}
	l := &look{}
	mask := r.parts.Mask()
	masked := mask.Writer(&l.lines)
	l.masked = masked
	l.Execution = &Execution{
		Stack: stack, Run: run, Known: known, Mask: mask, Log: masked, runner: r,
		stage: &run.Stages[0], show: func() {},
	}
	return l
}

// end returns the log.
func (l *look) end() ([]byte, error) {
	if err := l.masked.Close(); err != nil {
		return nil, err
	}
	return l.lines.Bytes(), nil
}

// readingsOf makes readings of the steps that the checks became.
func readingsOf(specs []check.Spec, steps []state.Step, answers []answer, at time.Time) []state.Reading {
	out := make([]state.Reading, len(steps))
	times := make(map[string]int)
	for i, step := range steps {
		key := specs[i].Key()
		if times[key]++; times[key] > 1 {
			key = fmt.Sprintf("%s-%d", key, times[key])
		}
		out[i] = state.Reading{
			Key: key, Check: step.Name, Status: step.Status, Message: step.Message, Hint: step.Hint, Since: at,
			At: at, Took: answers[i].took, Measured: answers[i].Measured,
		}
	}
	return out
}
