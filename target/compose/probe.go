package compose

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/project"
)

const (
	defaultProbeTime = 30 * time.Second // the Engine's, for interval and timeout

	firstPause = 20 * time.Millisecond
	maxPause   = time.Second

	// slowProbe is how long a probe may take to be run beside the Engine's
	// own. It is then too dear to be run often, and one that hangs goes on in
	// the container after its timeout: so there is one at most.
	slowProbe = time.Second
)

// A probe is the health check of a container, run by deployer. The Engine
// lets its interval pass before it looks for the first time; deployer looks at
// once. A pass is as good as the Engine's own. Only the Engine fails a
// container, for it alone counts retries and knows the start period.
type probe struct {
	argv     []string
	interval time.Duration
	timeout  time.Duration
}

// probeOf reads a container's health check, its image's where it has none of
// its own; false where there is none, or where only the Engine's word counts.
func probeOf(c *container.Config) (probe, bool) {
	if c == nil || c.Healthcheck == nil || len(c.Healthcheck.Test) < 2 || routedByHealth(c.Labels) {
		return probe{}, false
	}
	p := probe{
		argv:     c.Healthcheck.Test[1:],
		interval: cmp.Or(c.Healthcheck.Interval, defaultProbeTime),
		timeout:  cmp.Or(c.Healthcheck.Timeout, defaultProbeTime),
	}
	switch c.Healthcheck.Test[0] {
	case "CMD":
		return p, true
	case "CMD-SHELL":
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		p.argv = slices.Concat(shell, p.argv)
		return p, true
	}
	return probe{}, false
}

// routedByHealth reports whether Traefik routes to a container with these
// labels. It does so from when the Engine says healthy: before that the
// service answers nobody, whatever its health check says.
func routedByHealth(labels map[string]string) bool {
	if labels["traefik.enable"] == "false" {
		return false
	}
	for name := range labels {
		if strings.HasPrefix(name, "traefik.") {
			return true
		}
	}
	return false
}

// probe begins to run the container's health check where the Engine has not
// told yet, once for each start.
func (f *follower) probe(ctx context.Context, c container.InspectResponse) {
	s := c.State
	if f.awaited || s.Status != container.StateRunning || s.Health == nil || s.Health.Status != container.Starting || f.probed == s.StartedAt {
		return
	}
	p, ok := probeOf(c.Config)
	if !ok {
		return
	}
	f.endProbe()
	ctx, f.endProbe = context.WithCancel(ctx)
	f.probed = s.StartedAt
	run := func(ctx context.Context, argv []string) (project.ExecResult, error) { return f.exec(ctx, c.ID, argv) }
	go func() {
		if !p.pass(ctx, f.clock, run, func(r project.ExecResult) { f.answer.Store(&r) }) {
			return
		}
		select {
		case f.passes <- s.StartedAt:
		case <-ctx.Done():
		}
	}()
}

// pass runs the probe until it passes, and reports whether it did: it gives
// up when ctx ends, when the container cannot run it, and when it is slow or
// does not end in time. Each answer that is not a pass is handed to failed.
func (p probe) pass(ctx context.Context, clock func() time.Time, run execute, failed func(project.ExecResult)) bool {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		started := clock()
		result, err := p.once(ctx, run)
		took := clock().Sub(started)
		switch {
		case err != nil:
			return false
		case result.ExitCode == 0:
			return true
		}
		failed(result)
		if took >= slowProbe {
			return false
		}
		select {
		case <-time.After(p.pauseAfter(pause, took)):
		case <-ctx.Done():
			return false
		}
	}
}

// execute runs a command in the container that is probed.
type execute func(ctx context.Context, argv []string) (project.ExecResult, error)

func (p probe) once(ctx context.Context, run execute) (project.ExecResult, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return run(ctx, p.argv)
}

// pauseAfter is never shorter than the probe took, so that probes do not keep
// busy a container that has to start.
func (p probe) pauseAfter(pause, took time.Duration) time.Duration {
	return max(min(pause, p.interval), took)
}
