package pipeline

import (
	"context"
	"fmt"
	"strings"

	"deployer/pipeline/check"
	"deployer/state"
)

// verify decides: only a release that passes it is good.
func verify(ctx context.Context, x *Execution) error {
	failing := x.runChecks(ctx, x.world(), x.File.Verify, nil)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(failing) > 0 {
		x.Failing = failing
		return fmt.Errorf("%s", x.lastFailure())
	}
	x.Kept = true
	return nil
}

// runChecks runs `containers` and the given checks and returns the keys of
// those that failed. A check that fails for a cause known from before the
// change only warns. Once one has failed the release is judged: the others
// look once, for what they see now, and why is explained once.
func (x *Execution) runChecks(ctx context.Context, w *check.World, specs []check.Spec, known map[string]string) (failing []string) {
	explained := false
	x.up = false
	for _, spec := range check.WithDefaults(specs, "containers") {
		started := x.runner.now()
		if len(failing) > 0 {
			spec = spec.Once()
		}
		result := check.Run(ctx, spec, w)
		if _, outside := known[spec.Key()]; outside && result.Status == state.StepFailed {
			result.Status = state.StepWarned
			result.Hint = "it failed before the push too: look outside of it"
		}
		if !explained {
			before := result.Message
			result = check.Diagnose(ctx, spec, w, result)
			explained = result.Message != before
		}
		x.record(spec.TitleIn(w.Env), result, x.since(started))
		x.up = x.up || spec.Kind() == "containers" && result.Status == state.StepPassed
		if result.Status == state.StepFailed {
			failing = append(failing, spec.Key())
		}
	}
	x.witness(ctx, w)
	return failing
}

// lastFailure is the evidence of the present stage's first failed step.
func (x *Execution) lastFailure() string {
	for _, step := range x.stage.Steps {
		if step.Status == state.StepFailed {
			return strings.TrimSpace(step.Name + ": " + firstLine(step.Message))
		}
	}
	return "a check failed"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
