package compose

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"deployer/project"
)

const (
	// crashLoop restarts are not bad luck any more. With the Engine's back-off
	// they take a second and a half, which a service may need that starts
	// before what it connects to.
	crashLoop = 5

	evidenceLines   = 20
	evidenceTimeout = 5 * time.Second
)

// A follower follows one container until it is up or cannot come up.
type follower struct {
	*application
	container    project.Container
	bell         <-chan struct{}
	kept         bool          // it ran before this apply and was not touched
	endsByItself bool          // exit code 0 is a success
	awaited      bool          // only exit code 0 is
	settle       time.Duration // how long it must run without a health check

	restarts  int // that it had when first looked at
	looked    bool
	startedAt string // of the start that it is settling from
	since     time.Time

	probed   string                             // the start, by its time, whose probing has begun
	passed   string                             // the start whose probing has passed
	passes   chan string                        // receives what becomes passed
	answer   atomic.Pointer[project.ExecResult] // of the last probe that did not pass
	endProbe context.CancelFunc
}

// untilUp returns nil when the container is up, a *ServiceError when it
// cannot come up, and the cause when ctx ends before.
func (f *follower) untilUp(ctx context.Context) error {
	f.endProbe = func() {}
	defer func() { f.endProbe() }()
	for {
		inspected, err := f.engine.ContainerInspect(ctx, f.container.ID)
		if ctx.Err() != nil {
			return f.late(ctx)
		}
		if cerrdefs.IsNotFound(err) {
			return f.failed(ctx, "was removed by somebody else")
		}
		if err != nil {
			return fmt.Errorf("container %s: %w", f.container.Name, err)
		}
		v := f.judge(inspected, f.clock())
		switch {
		case v.failure != "":
			return f.failed(ctx, v.failure)
		case v.up:
			return nil
		}
		f.probe(ctx, inspected)
		var settled <-chan time.Time
		if v.again > 0 {
			settled = time.After(v.again)
		}
		select {
		case <-f.bell:
		case f.passed = <-f.passes:
			f.early.add(f.want.Name, f.container.ID, f.passed)
		case <-settled:
		case <-ctx.Done():
			return f.late(ctx)
		}
	}
}

// A verdict is what one look at a container says. Where it says neither, the
// container is looked at again when something happens to it, or after again.
type verdict struct {
	up      bool
	failure string
	again   time.Duration
}

func (f *follower) judge(c container.InspectResponse, now time.Time) verdict {
	if !f.looked {
		f.looked, f.restarts = true, c.RestartCount
	}
	if n := c.RestartCount - f.restarts; n >= crashLoop {
		return verdict{failure: fmt.Sprintf("keeps crashing: %d restarts, the last exit code was %d", n, c.State.ExitCode)}
	}
	switch c.State.Status {
	case container.StateRunning:
		return f.judgeRunning(c.State, now)
	case container.StateExited, container.StateDead:
		switch code := c.State.ExitCode; {
		case code == 0 && f.endsByItself:
			return verdict{up: true}
		case code == 0:
			return verdict{failure: "exited with code 0, but is expected to keep running"}
		case c.State.OOMKilled:
			return verdict{failure: fmt.Sprintf("exited with code %d: it ran out of memory", code)}
		default:
			return verdict{failure: fmt.Sprintf("exited with code %d", code)}
		}
	}
	return verdict{}
}

func (f *follower) judgeRunning(s *container.State, now time.Time) verdict {
	if f.awaited {
		return verdict{}
	}
	if s.Health != nil && s.Health.Status != container.NoHealthcheck && s.Health.Status != "" {
		switch {
		case s.Health.Status == container.Healthy, s.Health.Status == container.Starting && f.passed == s.StartedAt:
			return verdict{up: true}
		case s.Health.Status == container.Unhealthy && !f.kept: // a kept one may be waiting for one that is not
			return verdict{failure: "is unhealthy" + f.lastAnswer(s.Health)}
		}
		return verdict{}
	}
	if f.startedAt != s.StartedAt {
		f.startedAt, f.since = s.StartedAt, now
	}
	left := f.settle - now.Sub(f.since)
	if f.kept || left <= 0 {
		return verdict{up: true}
	}
	return verdict{again: left}
}

// late says how far the container has come when the limit for becoming
// healthy passes; another end of ctx has its own cause.
func (f *follower) late(ctx context.Context) error {
	if !errors.Is(context.Cause(ctx), errSlow) {
		return context.Cause(ctx)
	}
	reason := fmt.Sprintf("is not up after %s", f.options.Wait)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), evidenceTimeout)
	defer cancel()
	if inspected, err := f.engine.ContainerInspect(last, f.container.ID); err == nil {
		s := inspected.State
		reason += ": it is " + s.Status
		if s.Health != nil {
			reason += " and " + s.Health.Status + f.lastAnswer(s.Health)
		}
	}
	return f.failed(ctx, reason)
}

// failed gathers the evidence for a container that cannot come up.
func (f *follower) failed(ctx context.Context, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), evidenceTimeout)
	defer cancel()
	logs, err := f.Logs(ctx, f.container.ID, evidenceLines, time.Time{})
	if errors.Is(err, project.ErrEngineUnreachable) {
		return err // the Engine goes down, and takes the container with it
	}
	f.log.printf("container %s %s", f.container.Name, reason)
	for line := range strings.Lines(logs) {
		f.log.printf("%s | %s", f.container.Name, strings.TrimRight(line, "\r\n"))
	}
	return &ServiceError{
		Service: f.container.Service, Container: f.container.Name, Reason: reason, Logs: logs,
		Remedy: "its last lines are in the run's log; correct the cause and push again",
	}
}

// lastAnswer is what the health check said last, to the Engine where it has
// looked.
func (f *follower) lastAnswer(h *container.Health) string {
	var code int
	var output string
	if n := len(h.Log); n > 0 {
		code, output = h.Log[n-1].ExitCode, h.Log[n-1].Output
	} else if ours := f.answer.Load(); ours != nil {
		code, output = ours.ExitCode, ours.Output
	} else {
		return ""
	}
	text := []rune(strings.Join(strings.Fields(output), " "))
	return fmt.Sprintf(": its health check ended with %d: %s", code, string(text[:min(200, len(text))]))
}
