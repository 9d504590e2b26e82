package pipeline

import (
	"context"

	"deployer/pipeline/check"
	"deployer/state"
)

// apart takes the checks that disturb others out of a list.
func apart(specs []check.Spec) (together, alone []check.Spec) {
	for _, s := range specs {
		if s.Alone() {
			alone = append(alone, s)
		} else {
			together = append(together, s)
		}
	}
	return together, alone
}

// askAlone runs checks one after the other and names those that failed.
func (x *Execution) askAlone(ctx context.Context, specs []check.Spec) (failed []string) {
	for i, spec := range specs {
		a := x.ask(ctx, specs[i:i+1], x.world())[0]
		x.record(spec.TitleIn(x.Env), a.Result, a.took)
		if a.Status == state.StepFailed {
			failed = append(failed, spec.TitleIn(x.Env))
			x.leaveOut(specs[i+1:])
			break
		}
	}
	return failed
}

// leaveOut records checks that did not run because others failed.
func (x *Execution) leaveOut(specs []check.Spec) {
	for _, spec := range specs {
		x.record(spec.TitleIn(x.Env), check.Result{Status: state.StepSkipped, Message: "not tried: another check failed"}, 0)
	}
}
