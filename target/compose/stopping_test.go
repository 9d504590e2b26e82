package compose

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"deployer/project"
)

// stubborn does not hear the signal to stop, so that a stop takes the grace.
const stubborn = `
services:
  web: {image: IMAGE, stop_signal: SIGWINCH, stop_grace_period: GRACE, healthcheck: PROBE}
  api: {image: IMAGE, healthcheck: PROBE}
`

func TestResumedApplyStartsAgainWhatIsBeingStopped(t *testing.T) {
	r := newSerialRig(t) // others would fill the Engine's memory
	p := r.resolve(strings.Replace(stubborn, "GRACE", "2s", 1))
	r.mustApply(p)
	before := r.containers()
	r.hangUp(before["web-1"].ID, "SIGWINCH", func(ctx context.Context) {
		_ = r.engine.ContainerStop(ctx, before["web-1"].ID, container.StopOptions{})
	})
	var log buffer
	if err := r.Apply(t.Context(), p, project.ApplyOptions{Log: &log, Wait: 20 * time.Second, Resumed: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "web-1 is being stopped") || !strings.Contains(log.String(), "web-1 started") {
		t.Errorf("the stop was not waited for:\n%s", log.String())
	}
	after := r.containers()
	for _, name := range []string{"web-1", "api-1"} {
		if c := after[name]; c.ID != before[name].ID || c.State != "running" || c.Health != "healthy" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestSignalThatIsNoStopIsNotWaitedFor(t *testing.T) {
	r := newSerialRig(t) // others would fill the Engine's memory
	p := r.resolve(strings.NewReplacer("GRACE", "1h", "stop_signal: SIGWINCH, ", "").Replace(stubborn))
	r.mustApply(p)
	id := r.containers()["web-1"].ID
	r.hangUp(id, "SIGWINCH", func(ctx context.Context) { _ = r.engine.ContainerKill(ctx, id, "SIGWINCH") })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.Apply(ctx, p, project.ApplyOptions{Resumed: true}); err != nil {
		t.Errorf("a signal was taken for the beginning of a stop: %v", err)
	}
}

func TestCanceledWhileAStopIsWaitedFor(t *testing.T) {
	r := newSerialRig(t) // others would fill the Engine's memory
	p := r.resolve(strings.Replace(stubborn, "GRACE", "1h", 1))
	r.mustApply(p)
	id := r.containers()["web-1"].ID
	r.hangUp(id, "SIGWINCH", func(ctx context.Context) { _ = r.engine.ContainerStop(ctx, id, container.StopOptions{}) })
	ctx, cancel := context.WithCancelCause(t.Context())
	regretted := errors.New("a person canceled the run")
	waits := &signalOn{text: "web-1 is being stopped", do: func() { cancel(regretted) }}
	if err := r.Apply(ctx, p, project.ApplyOptions{Log: waits, Resumed: true}); !errors.Is(err, regretted) {
		t.Errorf("got %v", err)
	}
}

// hangUp tells the Engine to do something that sends a signal to a container,
// and hangs up once it has been sent.
func (r *rig) hangUp(id, signal string, do func(context.Context)) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	sent, ended := r.engine.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("container", id), filters.Arg("event", "kill"))})
	told, hangUp := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); do(told) }()
	select {
	case <-sent:
	case err := <-ended:
		r.t.Errorf("no %s was sent: %v", signal, err)
	}
	hangUp()
	<-done
}

func TestKilledTellsStopsFromWhatIsOver(t *testing.T) {
	event := func(action events.Action, signal string) events.Message {
		return events.Message{Action: action, Actor: events.Actor{ID: "web", Attributes: map[string]string{"signal": signal}}, TimeNano: 1}
	}
	start, die := event("start", ""), event("die", "")
	for name, test := range map[string]struct {
		history []events.Message
		want    int
	}{
		"nothing is remembered":      {nil, 0},
		"started":                    {[]events.Message{start}, 0},
		"told to stop":               {[]events.Message{start, event("kill", "15")}, 1},
		"told twice":                 {[]events.Message{event("kill", "15"), event("kill", "9")}, 2},
		"stopped":                    {[]events.Message{event("kill", "15"), die}, 0},
		"restarted":                  {[]events.Message{event("kill", "15"), die, start}, 0},
		"restarted and told to stop": {[]events.Message{event("kill", "15"), die, start, event("kill", "15")}, 1},
		"what is no signal":          {[]events.Message{event("kill", "")}, 0},
	} {
		if got := killed(test.history)["web"]; len(got) != test.want {
			t.Errorf("%s: %d signals, want %d", name, len(got), test.want)
		}
	}
}

func TestStopLeft(t *testing.T) {
	now := time.Unix(1000, 0)
	ago := func(d time.Duration, signal int) []kill { return []kill{{signal, now.Add(-d)}} }
	hour := 3600
	for name, test := range map[string]struct {
		config container.Config
		kills  []kill
		grace  time.Duration
		want   time.Duration
	}{
		"by default":                {kills: ago(time.Second, 15), want: 14 * time.Second},
		"its grace has passed":      {kills: ago(16*time.Second, 15)},
		"another signal":            {kills: ago(time.Second, 1)},
		"killed":                    {kills: ago(time.Second, 9), want: 14 * time.Second},
		"its own signal":            {config: container.Config{StopSignal: "SIGRTMIN+3"}, kills: ago(time.Second, 37), want: 14 * time.Second},
		"the default is not its":    {config: container.Config{StopSignal: "INT"}, kills: ago(time.Second, 15)},
		"its own grace":             {config: container.Config{StopTimeout: &hour}, kills: ago(time.Second, 15), want: time.Hour + 4*time.Second},
		"the grace of the apply":    {kills: ago(time.Second, 15), grace: time.Minute, want: 64 * time.Second},
		"the latest of two signals": {kills: append(ago(9*time.Second, 15), ago(time.Second, 15)...), want: 14 * time.Second},
	} {
		if got := stopLeft(&test.config, test.kills, now, test.grace); max(got, 0) != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}
