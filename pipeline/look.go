package pipeline

import (
	"bytes"
	"context"
	"fmt"
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
	started := r.now().UTC()
	run = &state.Run{
		ID: state.NewRunID(), Stack: stack.Name, Kind: state.KindMonitor, Trigger: state.Trigger{Kind: state.TriggerSchedule},
		Commit: live.Release.Commit, Subject: live.Release.Subject, Environment: live.Release.Environment, Release: live.Release.ID,
		CreatedAt: started, StartedAt: &started,
		Stages: []state.StageResult{{Name: state.StageVerify, StartedAt: &started, Steps: []state.Step{}}},
	}
	mask := r.parts.Mask()
	mask.Add(live.Project.Secrets()...)
	var lines bytes.Buffer
	masked := mask.Writer(&lines)
	x := &Execution{
		Stack: stack, Run: run, Known: known, Mask: mask, Log: masked, runner: r,
		stage: &run.Stages[0], show: func() {},
	}
	var specs []check.Spec
	if live.File.Monitor != nil {
		specs = live.File.Monitor.Checks
	}
	w := live.world(x)
	answers := x.ask(ctx, specs, w)
	if ctx.Err() != nil {
		return nil, nil, nil, context.Cause(ctx)
	}
	for i := range answers {
		answers[i].Result = check.Diagnose(ctx, specs[i], w, answers[i].Result)
		x.record(specs[i].TitleIn(live.Env), answers[i].Result, answers[i].took)
	}
	if len(specs) > 0 {
		x.witness(ctx, w)
	}
	if err := masked.Close(); err != nil {
		return nil, nil, nil, err
	}
	return run, readingsOf(specs, run.Stages[0].Steps, answers, r.now().UTC()), lines.Bytes(), nil
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
