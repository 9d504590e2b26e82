package queue

import (
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// A check that disturbs others runs after them, and not where one failed.
func TestACheckThatDisturbsOthersRunsLast(t *testing.T) {
	b := newBench(t).serve()
	const rehearsal = "{check: acme_rehearsal, service: nobody}"
	files := b.app("shop", "app:1", "preflight: ["+rehearsal+", {check: env, required: [MISSING]}]\n")
	run := b.ends(b.push("a check fails", files), state.RunFailed)
	b.says(b.story(run), "env: failed MISSING is not defined", "acme_rehearsal: skipped not tried: another check failed")
	b.says(run.Error, "env: MISSING is not defined", "nothing was changed")

	files = b.app("shop", "app:1", "preflight: ["+rehearsal+", {check: env, required: [PASSWORD]}]\n")
	run = b.ends(b.push("it fails itself", files), state.RunFailed)
	b.says(run.Error, "acme_rehearsal: ", "nothing was changed")
	steps := run.Stages[2].Steps
	if last := steps[len(steps)-1]; last.Name != "acme_rehearsal" || last.Status != state.StepFailed {
		t.Errorf("the last step is %+v", last)
	}
	if _, changes := b.target.counts(); changes != 0 {
		t.Error("the stack was changed")
	}
}

// The error of a run is all that a message and a commit's status show.
func TestErrorOfARunSaysWhatPreflightFound(t *testing.T) {
	b := newBench(t).serve()
	run := b.ends(b.push("two faults", b.app("shop", "app:1", "preflight: [{check: env, required: [MISSING]}, {check: engine, min_free: 900000GiB}]\n")), state.RunFailed)
	b.says(run.Error, "env: MISSING is not defined", "engine failed too", "nothing was changed")
	b.says(run.Hint, "each failed step")

	run = b.ends(b.push("one fault", b.app("shop", "app:1", "preflight: [{check: env, required: [MISSING]}]\n")), state.RunFailed)
	b.says(run.Error, "env: MISSING is not defined", "nothing was changed")
	b.says(run.Hint, "set it in")
}

func TestHintOfAFaultyEnvFileIsAHint(t *testing.T) {
	b := newBench(t).serve()
	files := b.app("shop", "app:1", "")
	files["shop/.env.production"] = gittest.Text("A=1\nnothing\n")
	run := b.ends(b.push("a faulty env file", files), state.RunFailed)
	b.says(run.Error, "shop/.env.production:2", `no "="`)
	b.says(run.Hint, "write NAME=value")
	if strings.Contains(run.Error, "NAME=value") {
		t.Errorf("the error says what to do too: %s", run.Error)
	}
}
