package queue

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"deployer/project"
	"deployer/state"
)

// Somebody prunes the image of the release that a person would go back to.
func TestALostRollbackIsNewsOnce(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.deployed("two", b.app("shop", "app:2", ""))
	if got := b.queue.Readings("shop"); len(got) != 0 {
		t.Fatalf("it reads %+v", got)
	}
	b.target.lose("app:1")
	b.restart() // no monitor: the look at the start
	news := b.news(0)
	if news.Status != state.RunSucceeded || news.Commit != b.stack("shop").Live.Commit {
		t.Error(b.story(news))
	}
	b.says(news.Trigger.Reason, "rollback: warned")
	b.says(news.Stages[0].Steps[0].Message, "which `deployer rollback` goes to, could not be run again: its images are no longer on the Engine: app:1")
	since := b.stack("shop").Readings[0].Since
	b.restart()
	for end := time.Now().Add(patience); !b.hasLooked("shop"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not look after the restart")
		}
	}
	got := b.queue.Readings("shop")
	if len(got) != 1 || !got[0].Since.Equal(since) || got[0].Status != state.StepWarned || len(b.monitorRuns()) != 1 {
		t.Errorf("said again: %+v", got)
	}
	if got := b.queue.Health(t.Context(), "shop"); got != "healthy" {
		t.Errorf("health is %s", got)
	}

	b.target.find("app:1")
	if got := b.queue.Readings("shop"); len(got) != 0 {
		t.Errorf("it is there again, and it reads %+v", got)
	}
}

// hasLooked reports whether the monitor has, since the start.
func (b *bench) hasLooked(stack string) bool {
	b.queue.monitor.mu.Lock()
	defer b.queue.monitor.mu.Unlock()
	return len(b.queue.monitor.latest[stack]) > 0
}

// What a look at the images said counts only until the next one, whatever the
// monitor has stored.
func TestALostWayBackIsDegradedUntilItIsFound(t *testing.T) {
	b := newBench(t).serve()
	file, _ := b.monitored()
	b.deployed("one", b.app("shop", "app:1", file))
	b.sees("shop", state.StepPassed)
	b.target.lose("app:1")
	failed := b.news(0)
	if failed.Status != state.RunFailed || failed.Hint == "" {
		t.Error(b.story(failed))
	}
	b.says(failed.Error, "way back: release", "app:1")
	keys := func() (out []string) {
		for _, r := range b.queue.Readings("shop") {
			out = append(out, r.Check)
		}
		return out
	}
	if got := keys(); len(got) != 2 || got[0] != "way back" {
		t.Errorf("it reads %q", got)
	}
	if got := b.queue.Health(t.Context(), "shop"); got != "degraded" {
		t.Errorf("health is %s", got)
	}
	b.target.find("app:1")
	if got := keys(); slices.Contains(got, "way back") || b.queue.Health(t.Context(), "shop") != "healthy" {
		t.Errorf("it reads %q", got)
	}
}

// A deafTarget does not say which images it has.
type deafTarget struct{ *fakeTarget }

func (deafTarget) MissingImages(context.Context, []string) ([]string, error) {
	return nil, &deafError{}
}

type deafError struct{}

func (*deafError) Error() string { return "the Engine does not answer" }

func (*deafError) Is(target error) bool { return target == project.ErrEngineUnreachable }

// What is not known is not told as a loss.
func TestImagesThatCannotBeAskedForAreNotLost(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	b.deployed("two", b.app("shop", "app:2", ""))
	b.stop()
	b.renew()
	b.stacks[0].Target = deafTarget{b.target}
	b.serve()
	run, err := b.queue.Rollback(t.Context(), "shop", by("ops", ""), state.RunTarget{Release: good.Release})
	if err != nil {
		t.Fatal(err)
	}
	run = b.ends(run, state.RunFailed)
	b.says(run.Error, "the Engine does not answer")
	if strings.Contains(run.Error, "no longer") || strings.Contains(run.Hint, "docker load") {
		t.Error(b.story(run))
	}
}
