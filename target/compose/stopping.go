package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/moby/sys/signal"
	"golang.org/x/sync/errgroup"
)

const (
	defaultGrace = 10 * time.Second // the Engine's, before it kills what it was told to stop
	stopMargin   = 5 * time.Second  // for the Engine to kill it and to clean up
)

// awaitStops waits until the containers of a project have ended that the
// Engine was told to stop by somebody who has gone since. Such a container is
// still listed as running, and nothing but the Engine's log of events tells
// that it will end.
func (t *Target) awaitStops(ctx context.Context, projectName string, grace time.Duration, log *lines) error {
	now, err := t.engineTime(ctx)
	if err != nil {
		return err
	}
	history, err := t.history(ctx, projectName, now)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for id, kills := range killed(history) {
		group.Go(func() error { return t.awaitStop(ctx, id, kills, now, grace, log) })
	}
	return group.Wait()
}

// engineTime is what the Engine's clock says, by which its events are dated.
func (t *Target) engineTime(ctx context.Context) (time.Time, error) {
	info, err := t.engine.Info(ctx)
	if err != nil {
		return time.Time{}, t.reached(err)
	}
	now, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("docker info: %w", err)
	}
	return now, nil
}

// history returns what the Engine remembers of the starts and ends of a
// project's containers, oldest first: their part of its last 256 events.
func (t *Target) history(ctx context.Context, projectName string, until time.Time) ([]events.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, ended := t.engine.Events(ctx, events.ListOptions{
		Since: "0", Until: until.Format(time.RFC3339Nano),
		Filters: ofProject(projectName, filters.Arg("type", "container"),
			filters.Arg("event", "start"), filters.Arg("event", "kill"), filters.Arg("event", "die")),
	})
	var history []events.Message
	for {
		select {
		case message := <-messages:
			history = append(history, message)
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return history, nil
			}
			return nil, t.reached(fmt.Errorf("docker events: %w", err))
		}
	}
}

// A kill is a signal that a container has been sent.
type kill struct {
	signal int
	at     time.Time
}

// killed returns, by container, the signals since its last start that it has
// not died of.
func killed(history []events.Message) map[string][]kill {
	kills := map[string][]kill{}
	for _, event := range history {
		id := event.Actor.ID
		if event.Action != events.ActionKill {
			delete(kills, id)
			continue
		}
		if number, err := strconv.Atoi(event.Actor.Attributes["signal"]); err == nil {
			kills[id] = append(kills[id], kill{number, time.Unix(0, event.TimeNano)})
		}
	}
	return kills
}

// awaitStop waits for the end of one container, if one of the signals may
// have been the beginning of a stop whose grace has not passed.
func (t *Target) awaitStop(ctx context.Context, id string, kills []kill, now time.Time, grace time.Duration, log *lines) error {
	inspected, err := t.engine.ContainerInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return t.reached(err)
	}
	left := stopLeft(inspected.Config, kills, now, grace)
	if !inspected.State.Running || left <= 0 {
		return nil
	}
	log.printf("container %s is being stopped since before; its end is waited for", inspected.Name[1:])
	within, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	ended, failed := t.engine.ContainerWait(within, id, container.WaitConditionNotRunning)
	select {
	case <-ended:
		return nil
	case err := <-failed:
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if within.Err() != nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		return t.reached(err)
	}
}

// stopLeft is how long a stop can still take that one of the signals began:
// none where each was another signal than a stop sends, or was long ago.
func stopLeft(c *container.Config, kills []kill, now time.Time, grace time.Duration) time.Duration {
	stop, err := signal.ParseSignal(c.StopSignal)
	if err != nil {
		stop = signal.SignalMap["TERM"]
	}
	own := defaultGrace
	if c.StopTimeout != nil {
		own = time.Duration(*c.StopTimeout) * time.Second
	}
	var left time.Duration
	for _, k := range kills {
		if k.signal == int(stop) || k.signal == int(signal.SignalMap["KILL"]) {
			left = max(left, k.at.Add(max(own, grace)+stopMargin).Sub(now))
		}
	}
	return left
}
