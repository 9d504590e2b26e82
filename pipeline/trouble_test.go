package pipeline

import (
	"strings"
	"testing"
	"time"

	"deployer/project"
)

func TestTroubles(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	container := func(state, health string, code int) project.Condition {
		return project.Condition{
			Container:  project.Container{ID: "id", Name: "shop-web-1", Service: "web", Number: 1, State: state, Health: health, ExitCode: code},
			FinishedAt: at, RestartPolicy: "no",
		}
	}
	with := func(c project.Condition, change func(*project.Condition)) project.Condition { change(&c); return c }
	for name, tt := range map[string]struct {
		c    project.Condition
		want string // empty: none
		hint string
	}{
		"runs":            {c: container("running", "", 0)},
		"healthy":         {c: container("running", "healthy", 0)},
		"starting":        {c: container("running", "starting", 0)},
		"unhealthy":       {c: container("running", "unhealthy", 0), want: "is unhealthy", hint: "docker logs shop-web-1"},
		"died":            {c: container("exited", "unhealthy", 3), want: "exited with code 3", hint: "`deployer restart shop web`"},
		"one-shot":        {c: with(container("exited", "", 0), func(c *project.Condition) { c.EndsByItself = true })},
		"failed one-shot": {c: with(container("exited", "", 1), func(c *project.Condition) { c.EndsByItself = true }), want: "exited with code 1"},
		"left":            {c: container("exited", "", 0), want: "exited with code 0, but is expected to keep running"},
		"out of memory": {c: with(container("exited", "", 137), func(c *project.Condition) { c.OOMKilled = true }),
			want: "exited with code 137: it ran out of memory", hint: "more memory"},
		"killed": {c: container("exited", "", 137), want: "exited with code 137: something killed it"},
		"stopped": {c: with(container("exited", "", 0), func(c *project.Condition) { c.EndsByItself, c.Signalled = true, true }),
			want: "exited with code 0: it was stopped from outside", hint: "starts it again"},
		"stopped, long ago": {c: with(container("exited", "", 143), func(c *project.Condition) { c.RestartPolicy = "always" }),
			want: "exited with code 143: it was stopped from outside"},
		"not started": {c: with(container("exited", "", 128), func(c *project.Condition) { c.RestartPolicy, c.Error = "always", "port is taken" }),
			want: "could not be started"},
		"restarting": {c: container("restarting", "", 2), want: "exited with code 2 and waits for its next start"},
		"created":    {c: container("created", "", 0), want: "was made, but not started"},
		"paused":     {c: container("paused", "", 0), want: "is paused", hint: "docker unpause shop-web-1"},
		"hangs": {c: with(container("running", "healthy", 0), func(c *project.Condition) { c.Silent = true }),
			want: "is running as the Engine lists it, but the Engine does not answer for it", hint: "`docker inspect shop-web-1` hangs"},
		"dead": {c: container("dead", "", 0), want: "is dead"},
	} {
		t.Run(name, func(t *testing.T) {
			got, down := TroubleOf("shop", tt.c)
			if down != (tt.want != "") || down && got.What != tt.want || !strings.Contains(got.Hint, tt.hint) {
				t.Errorf("%v %+v", down, got)
			}
			if down && got.Hint == "" {
				t.Error("it does not say what to do")
			}
		})
	}
}

func TestTroubleIsCalledAsPeopleCallIt(t *testing.T) {
	second := project.Condition{Container: project.Container{Name: "shop-web-2", Service: "web", Number: 2, State: "dead"}}
	got, _ := TroubleOf("shop", second)
	if got.Name != "web-2" || got.Service != "web" || UnitOfKey(got.Key) != "web-2" || IsLoop(got.Key) {
		t.Errorf("%+v", got)
	}
	if gone := Missing("shop", "web", 2); gone.Name != got.Name || gone.Key != got.Key {
		t.Errorf("%+v", gone)
	}
	loop := LoopOf("shop", second, 3, time.Now(), 90*time.Second)
	if UnitOfKey(loop.Key) != "web-2" || !IsLoop(loop.Key) || loop.What != "restarts again and again: 3 times in 1m30s, the last exit code was 0" {
		t.Errorf("%+v", loop)
	}
}
