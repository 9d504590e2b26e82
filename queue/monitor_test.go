package queue

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"deployer/state"
)

// monitored is a pipeline whose monitor asks a server that answers what the
// test sets, every second.
func (b *bench) monitored() (file string, status *atomic.Int64) {
	b.t.Helper()
	status = &atomic.Int64{}
	status.Store(200)
	url := b.answering(func() int { return int(status.Load()) })
	return fmt.Sprintf("monitor: {every: 1s, checks: [{check: http, url: %q}]}\n", url), status
}

// news waits for the monitor's run after the given ones.
func (b *bench) news(known int) *state.Run {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if runs := b.monitorRuns(); len(runs) > known {
			return runs[0]
		}
	}
	b.t.Fatalf("the monitor has no news after %d", known)
	return nil
}

func (b *bench) monitorRuns() (runs []*state.Run) {
	b.t.Helper()
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		runs, _, err = tx.Runs(state.RunQuery{Stack: "shop", Kind: state.KindMonitor, Limit: 50})
		return err
	}))
	return runs
}

func TestMonitorTellsOfEachChangeOnce(t *testing.T) {
	b := newBench(t).serve()
	file, status := b.monitored()
	good := b.deployed("one", b.app("shop", "app:1", file))
	b.sees("shop", state.StepPassed)
	if runs := b.monitorRuns(); len(runs) != 0 {
		t.Fatalf("that all is well is no news: %s", b.story(runs[0]))
	}

	status.Store(502)
	failed := b.news(0)
	if failed.Status != state.RunFailed || failed.Commit != good.Commit || failed.Hint == "" {
		t.Fatal(b.story(failed))
	}
	b.says(failed.Error, "answered 502")
	b.says(failed.Trigger.Reason, "failed, was passed")
	b.says(b.log(failed), "answered 502")
	_, err := b.queue.Retry(t.Context(), failed.ID, state.Trigger{Kind: state.TriggerCLI, Actor: "ada"})
	b.refused(err, "is of the monitor")
	if got := b.queue.Health(t.Context(), "shop"); got != "degraded" {
		t.Errorf("health is %s", got)
	}
	since := b.stack("shop").Readings[0].Since
	b.looksAfter("shop", since)
	if n := len(b.monitorRuns()); n != 1 {
		t.Errorf("%d runs for one change", n)
	}
	if got := b.queue.Readings("shop")[0]; !got.Since.Equal(since) || !got.At.After(since) {
		t.Errorf("it fails since %s, last seen %s; want since %s", got.Since, got.At, since)
	}

	status.Store(200)
	well := b.news(1)
	if well.Status != state.RunSucceeded || well.Error != "" {
		t.Error(b.story(well))
	}
	b.says(well.Trigger.Reason, "passed, was failed")
	if got := b.queue.Health(t.Context(), "shop"); got != "healthy" {
		t.Errorf("health is %s", got)
	}
}

func TestMonitorKnowsAfterARestartWhatItSaid(t *testing.T) {
	b := newBench(t).serve()
	file, status := b.monitored()
	b.deployed("one", b.app("shop", "app:1", file))
	b.sees("shop", state.StepPassed)
	status.Store(502)
	b.news(0)
	b.restart()
	b.sees("shop", state.StepFailed)
	if n := len(b.monitorRuns()); n != 1 {
		t.Errorf("%d runs for one change", n)
	}
}

func TestMonitorEndsWithTheReleaseThatWantedIt(t *testing.T) {
	b := newBench(t).serve()
	file, status := b.monitored()
	b.deployed("one", b.app("shop", "app:1", file))
	status.Store(502)
	b.news(0)
	b.deployed("two", b.app("shop", "app:1", "preflight: []\n"))
	for end := time.Now().Add(patience); len(b.queue.Readings("shop"))+len(b.stack("shop").Readings) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what nothing looks at any more still counts")
		}
	}
}

func TestMonitorLeavesARunAlone(t *testing.T) {
	b := newBench(t).serve()
	file, status := b.monitored()
	b.deployed("one", b.app("shop", "app:1", file))
	b.sees("shop", state.StepPassed)
	reached, let := b.target.hold(func(c call) bool { return c.op == "apply" })
	run := b.push("two", b.app("shop", "app:2", file))
	b.await(reached)
	status.Store(502) // as a service is that is being replaced
	time.Sleep(2 * time.Second)
	if n := len(b.monitorRuns()); n != 0 {
		t.Errorf("%d alarms while the stack is deployed", n)
	}
	status.Store(200)
	let()
	b.ends(run, state.RunSucceeded)
}

// sees waits until the monitor reads a status.
func (b *bench) sees(stack string, status state.StepStatus) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if r := b.queue.Readings(stack); len(r) > 0 && r[0].Status == status {
			return
		}
	}
	b.t.Fatalf("the monitor does not read %s: %v", status, b.queue.Readings(stack))
}

// looksAfter waits for a look of the monitor after a time.
func (b *bench) looksAfter(stack string, at time.Time) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if b.queue.Readings(stack)[0].At.After(at) {
			return
		}
	}
	b.t.Fatal("the monitor does not look again")
}

func TestMonitorSaysWhyACheckFails(t *testing.T) {
	b := newBench(t).serve()
	file, status := b.monitored()
	b.deployed("one", b.app("shop", "app:1", file))
	b.sees("shop", state.StepPassed)
	b.target.edit("shop", "web", stopped)
	status.Store(502)
	failed := b.news(0)
	b.says(failed.Stages[0].Steps[0].Message, "answered 502", "exited with code 137", "its last words")
}
