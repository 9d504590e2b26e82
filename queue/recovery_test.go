package queue

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
	"deployer/state"
)

// slowSite holds the first request that comes while app:2 runs until its
// client gives up, and answers 200 to all others.
func (b *bench) slowSite() (file string, reached <-chan struct{}) {
	b.t.Helper()
	there := make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b.target.runs("shop", "web") == "app:2" {
			once.Do(func() {
				close(there)
				<-r.Context().Done()
			})
		}
	}))
	b.t.Cleanup(server.Close)
	return "verify: [{check: http, url: \"" + server.URL + "\"}]\n", there
}

// cuts are the points at which a run can be cut off. Each starts a push of
// app:2 and returns when the run is there.
var cuts = map[string]struct {
	phase state.Phase
	start func(b *bench) *state.Run
}{
	"fetch": {state.PhasePreparing, func(b *bench) *state.Run {
		server := gittest.Serve(b.t, b.repo)
		there := make(chan struct{})
		var once sync.Once
		server.Before(func(_ http.ResponseWriter, r *http.Request) (answered bool) {
			once.Do(func() {
				close(there)
				<-r.Context().Done()
				answered = true
			})
			return answered
		})
		mirror := gitsync.Open(b.dir+"/slow", gitsync.Remote{URL: server.URL})
		b.t.Cleanup(func() { b.must(mirror.Close()) })
		b.stop()
		b.stacks[0].Mirror = mirror
		b.restart()
		run := b.push("two", b.app("shop", "app:2", ""))
		b.await(there)
		return run
	}},
	"preflight": {state.PhasePreparing, func(b *bench) *state.Run {
		reached, _ := b.target.hold(func(c call) bool { return c.op == "images" && c.web == "app:2" })
		run := b.push("two", b.app("shop", "app:2", ""))
		b.await(reached)
		return run
	}},
	"deploy": {state.PhaseChanging, func(b *bench) *state.Run {
		reached, _ := b.target.hold(applying("app:2"))
		run := b.push("two", b.app("shop", "app:2", ""))
		b.await(reached)
		return run
	}},
	"verify": {state.PhaseChanging, func(b *bench) *state.Run {
		file, reached := b.slowSite()
		run := b.push("two", b.app("shop", "app:2", file))
		b.await(reached)
		return run
	}},
}

func TestRunThatAStopCutsOffGoesOnAfterTheNextStart(t *testing.T) {
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).serve()
			b.deployed("one", b.app("shop", "app:1", ""))
			run := cut.start(b)
			b.stop()
			left := b.run(run.ID)
			if left.Status != state.RunQueued || left.Phase != cut.phase || left.FinishedAt != nil {
				t.Fatalf("it is left %s in phase %q:\n%s", left.Status, left.Phase, b.story(left))
			}
			b.says(b.log(run), "deployer is stopping")

			b.target.on(nil)
			b.restart()
			got := b.ends(run, state.RunSucceeded)
			if got.Interruptions != 0 || b.target.runs("shop", "web") != "app:2" {
				t.Errorf("%d interruptions, web runs %s", got.Interruptions, b.target.runs("shop", "web"))
			}
			if log := b.log(run); strings.Count(log, "triggered by webhook") != 2 {
				t.Errorf("the log does not hold both starts:\n%s", log)
			}
		})
	}
}

func TestRunThatACrashCutsOffIsTakenUp(t *testing.T) {
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).serve()
			b.deployed("one", b.app("shop", "app:1", ""))
			run := cut.start(b)
			b.crash(run)
			b.target.on(nil)
			b.restart()
			want := 0
			if cut.phase == state.PhaseChanging {
				want = 1
			}
			if got := b.ends(run, state.RunSucceeded); got.Interruptions != want || b.stack("shop").Live.ID != got.Release {
				t.Errorf("%d interruptions, want %d; live %s", got.Interruptions, want, b.stack("shop").Live.ID)
			}
		})
	}
}

// A run that had begun to change the target goes on with what it began with,
// whatever the branch holds now.
func TestRunTakenUpInMidChangeKeepsItsCommit(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	run := cuts["deploy"].start(b)
	b.crash(run)
	b.target.on(nil)
	b.commit("three", b.app("shop", "app:3", ""))
	b.restart()
	got := b.ends(run, state.RunSucceeded)
	if got.Subject != "two" || b.target.runs("shop", "web") != "app:2" || got.Stage(state.StageFetch).Status != state.StageSkipped {
		t.Errorf("it deployed %q, web runs %s", got.Subject, b.target.runs("shop", "web"))
	}
}

func TestSecondCrashTakesTheStackBackWithoutBlame(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	run := cuts["deploy"].start(b)
	b.crash(run)
	reached, _ := b.target.hold(applying("app:2"))
	b.restart()
	b.await(reached)
	b.crash(run)
	b.target.on(nil)
	b.restart()
	got := b.back(run, good)
	b.says(got.Error, "cut off 2 times")
	b.quarantined(got, false)
	if b.target.runs("shop", "web") != "app:1" {
		t.Errorf("web runs %s", b.target.runs("shop", "web"))
	}
	b.must(b.queue.pollOnce(t.Context(), b.stacks[0]))
	b.must(b.store.View(func(tx *state.Tx) error {
		active, err := tx.ActiveRuns()
		if len(active) != 0 {
			t.Errorf("poll tries the commit again: %+v", active[0])
		}
		return err
	}))
	b.ends(b.deploy(state.RunTarget{}), state.RunSucceeded)
}

func TestWayBackThatIsCutOffIsFinished(t *testing.T) {
	for name, cut := range map[string]func(*bench, *state.Run){
		"by a stop":  func(b *bench, _ *state.Run) { b.stop() },
		"by a crash": func(b *bench, run *state.Run) { b.crash(run) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).serve()
			good := b.deployed("one", b.app("shop", "app:1", ""))
			reached, _ := b.target.hold(applying("app:1"))
			run := b.push("two", b.app("shop", "app:broken", ""))
			b.await(reached)
			cut(b, run)
			if left := b.run(run.ID); left.Phase != state.PhaseRollingBack || left.Error == "" {
				t.Fatalf("left in phase %q with error %q", left.Phase, left.Error)
			}
			b.quarantined(b.run(run.ID), true)
			b.target.on(nil)
			b.restart()
			got := b.back(run, good)
			b.says(got.Error, "deploy:", "exited with code 1")
			b.quarantined(got, true)
		})
	}
}

// What was nobody's fault when the way back began does not become the
// release's by a crash on that way.
func TestCrashOnTheWayBackAddsNoBlame(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	reached, _ := b.target.hold(applied("app:2"))
	run := b.push("two", b.app("shop", "app:2", ""))
	b.await(reached)
	b.crash(run)
	reached, _ = b.target.hold(func(c call) bool { return c.op == "containers" })
	b.restart()
	b.await(reached)
	b.crash(run)
	reached, _ = b.target.hold(applying("app:1"))
	b.restart()
	b.await(reached)
	b.crash(run)
	b.target.on(nil)
	b.restart()
	got := b.back(run, good)
	b.says(got.Error, "cut off 2 times")
	b.quarantined(got, false)
}

func TestWhatWaitedBeforeTheCrashStillWaits(t *testing.T) {
	b := newBench(t)
	run := b.accepted(b.event(b.commit("one", b.app("shop", "app:1", ""))))
	b.restart()
	b.ends(run, state.RunSucceeded)
}

func TestRunOfAStackThatIsNoLongerConfiguredIsCanceled(t *testing.T) {
	b := newBench(t, "blog", "shop")
	receipt := b.accept(b.event("0123456789"))
	b.stacks = b.stacks[1:]
	b.restart()
	b.says(b.ends(receipt.Runs[0], state.RunCanceled).Error, "no longer in deployer.yaml")
}

func TestNothingTakesThePlaceOfARunInMidChange(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	run := cuts["deploy"].start(b)
	b.stop()
	b.target.on(nil)
	person := b.deploy(state.RunTarget{})
	if got := b.run(run.ID).Status; got != state.RunQueued {
		t.Errorf("the interrupted run is %s", got)
	}
	var order []string
	b.target.on(func(_ context.Context, c call) error {
		if c.op == "apply" || c.op == "images" {
			order = append(order, c.op+" "+c.web)
		}
		return nil
	})
	b.restart()
	b.ends(run, state.RunSucceeded)
	b.ends(person, state.RunUnchanged)
	b.stop()
	if len(order) == 0 || order[0] != "apply app:2" {
		t.Errorf("the order is %v: want the interrupted run first", order)
	}
}
