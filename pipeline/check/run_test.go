package check

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"deployer/project"
	"deployer/state"
)

// answers makes an Engine whose nth look is the nth of them, and the last from then on.
func answers(looks *[]time.Time, list ...error) *fakeEngine {
	return &fakeEngine{info: func() (project.Engine, error) {
		err := list[min(len(*looks), len(list)-1)]
		*looks = append(*looks, time.Now())
		return project.Engine{Version: "20.10", FreeBytes: 5 << 30}, err
	}}
}

var errGone = errors.New("gone")

func TestWithoutWithinACheckLooksOnce(t *testing.T) {
	var looks []time.Time
	r := run(t, "{check: engine}", &World{Engine: answers(&looks, errGone, nil)})
	want(t, r, state.StepFailed, "gone")
	if len(looks) != 1 {
		t.Errorf("looked %d times", len(looks))
	}
}

func TestWithinTriesAgainUntilItPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks []time.Time
		var log strings.Builder
		w := &World{Log: &log, Engine: answers(&looks, errGone, errGone, errGone, errGone, errGone, errGone, errGone, nil)}
		want(t, run(t, "{check: engine, within: 1m}", w), state.StepPassed)
		var pauses []time.Duration
		for i := 1; i < len(looks); i++ {
			pauses = append(pauses, looks[i].Sub(looks[i-1]))
		}
		ms := time.Millisecond
		for i, p := range []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 2000 * ms, 2000 * ms} {
			if pauses[i] != p {
				t.Fatalf("paused %v", pauses)
			}
		}
		if log.String() != "the Engine does not answer: gone; trying again for 1m0s\n" {
			t.Errorf("logged %q", log.String())
		}
	})
}

func TestWithinLooksALastTimeWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks []time.Time
		r := run(t, "{check: engine, within: 250ms}", &World{Engine: answers(&looks, errGone)})
		want(t, r, state.StepFailed, "gone (attempt 3, after 250ms)")
		if got := looks[len(looks)-1].Sub(looks[0]); got != 250*time.Millisecond {
			t.Errorf("the last look came after %s", got)
		}
	})
}

func TestSeverityWarnTurnsAFailureIntoAWarning(t *testing.T) {
	var looks []time.Time
	w := &World{Engine: answers(&looks, errGone)}
	want(t, run(t, "{check: engine, severity: warn}", w), state.StepWarned, "gone")
	want(t, run(t, "{check: tcp, severity: warn, address: '${A}:1'}", w), state.StepWarned, "A is not defined")
	want(t, run(t, "{check: engine, severity: error}", w), state.StepFailed, "gone")
}

func TestACanceledRunIsSaidToBe(t *testing.T) {
	for _, source := range []string{"{check: engine, within: 1m}", "{check: engine, severity: warn}"} {
		ctx, cancel := context.WithCancel(t.Context())
		engine := &fakeEngine{info: func() (project.Engine, error) {
			cancel()
			return project.Engine{}, errGone
		}}
		r := Run(ctx, parse(t, source), &World{Engine: engine})
		if r.Status != state.StepFailed || r.Message != "canceled" {
			t.Errorf("%s: got %+v", source, r)
		}
	}
}

func TestTheStagesDeadlineEndsTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var looks []time.Time
		r := Run(ctx, parse(t, "{check: engine, within: 1h}"), &World{Engine: answers(&looks, errGone)})
		want(t, r, state.StepFailed, "gone")
	})
}

func TestAPanicIsAFailure(t *testing.T) {
	var log strings.Builder
	engine := &fakeEngine{info: func() (project.Engine, error) { panic("nil map") }}
	want(t, run(t, "{check: engine}", &World{Engine: engine, Log: &log}), state.StepFailed, "crashed")
	if !strings.Contains(log.String(), "nil map") || !strings.Contains(log.String(), "engine.go") {
		t.Errorf("logged %q", log.String())
	}
}

func TestOnceLooksOnce(t *testing.T) {
	var looks []time.Time
	patient := parse(t, "{check: engine, within: 1h, name: room}")
	r := Run(t.Context(), patient.Once(), &World{Engine: answers(&looks, errGone)})
	want(t, r, state.StepFailed, "gone")
	if len(looks) != 1 || patient.Once().Key() != patient.Key() || patient.Once().Title() != "room" {
		t.Errorf("looked %d times", len(looks))
	}
	if _, shared, _ := patient.build(nil); shared.Within != time.Hour {
		t.Error("the spec itself was changed")
	}
}

func TestChecksThatCannotLookAreSkipped(t *testing.T) {
	for _, source := range []string{"{check: engine}", "{check: containers}", "{check: exec, service: a, command: [b]}"} {
		want(t, run(t, source, &World{}), state.StepSkipped)
	}
}
