package check

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"deployer/state"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// Run builds a check and runs it: every attempt within the spec's timeout,
// and one after the other until one does not fail or the time in `within` is
// over. A failure of severity warn is returned as warned. Run never panics.
func Run(ctx context.Context, spec Spec, w *World) Result {
	c, shared, err := spec.build(w.Env)
	var r Result
	if err != nil {
		r = failed(err.Error(), "correct this check in pipeline.yaml, or the variable that it uses")
	} else {
		r = retry(ctx, c, shared, w)
	}
	switch {
	case r.Status != state.StepFailed:
	case errors.Is(ctx.Err(), context.Canceled):
		return failed("canceled", "")
	case shared.Severity == severityWarn:
		r.Status = state.StepWarned
	}
	return r
}

func retry(ctx context.Context, c Check, shared common, w *World) Result {
	started := time.Now()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		r := once(ctx, c, shared.Timeout, w)
		if r.Status != state.StepFailed {
			return r
		}
		left := shared.Within - time.Since(started)
		if left <= 0 || ctx.Err() != nil || r.final {
			if attempt > 1 {
				r.Message = fmt.Sprintf("%s (attempt %d, after %s)", r.Message, attempt, round(time.Since(started)))
			}
			return r
		}
		if attempt == 1 {
			fmt.Fprintf(w.log(), "%s; trying again for %s\n", r.Message, shared.Within)
		}
		sleep(ctx, min(pause, left))
		pause = min(2*pause, maxPause)
	}
}

// once makes one attempt. A panic is a fault of the check, not of what it
// looks at, and must not take the run down.
func once(ctx context.Context, c Check, timeout time.Duration, w *World) (r Result) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(w.log(), "check panicked: %v\n%s", cause, debug.Stack())
			r = failed("the check itself crashed; the run's log has the details", "this is a fault of deployer: please report it")
		}
	}()
	return c.Run(ctx, w)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// round shortens a span to what people read.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
