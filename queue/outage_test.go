package queue

import (
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
	"deployer/state"
)

func TestEngineThatComesBackInMidDeployIsWaitedFor(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.target.gone(2, applying("app:2"))
	run := b.deployed("two", b.app("shop", "app:2", ""))
	b.says(b.log(run), "the Docker Engine does not answer; trying again")
	for _, step := range run.Stage(state.StageDeploy).Steps {
		if step.Status == state.StepFailed {
			t.Errorf("step %s of a stage that passed is failed: %s", step.Name, step.Message)
		}
	}
}

func TestEngineThatStaysAwayEndsInALockWithoutBlame(t *testing.T) {
	b := newBench(t).serve()
	file := "deploy: {timeout: 1s}\n"
	good := b.deployed("one", b.app("shop", "app:1", file))
	var lost atomic.Bool
	b.target.gone(-1, func(c call) bool {
		lost.Store(lost.Load() || applied("app:2")(c))
		return lost.Load()
	})
	run := b.ends(b.push("two", b.app("shop", "app:2", file)), state.RunRollbackFailed)
	b.says(run.Error, "deadline", "does not answer", "way back to "+state.ShortCommit(good.Commit))
	b.quarantined(run, false)
	if b.stack("shop").Lock == nil {
		t.Error("the stack is not locked")
	}
}

func TestEngineThatIsAwayBeforeTheChangeIsAskedAFewTimes(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.target.gone(1, func(c call) bool { return c.op == "images" })
	b.deployed("two", b.app("shop", "app:2", ""))

	b.target.gone(-1, func(c call) bool { return c.op == "images" })
	run := b.ends(b.push("three", b.app("shop", "app:3", "")), state.RunFailed)
	if j := b.stack("shop").Judged; run.Phase != state.PhasePreparing || !j.Outage || !j.Again {
		t.Errorf("phase %q, judged %+v", run.Phase, j)
	}
}

func TestGitServerThatIsAwayIsAskedAgainAndByPollLater(t *testing.T) {
	b := newBench(t)
	server := gittest.Serve(t, b.repo)
	var failures, away atomic.Int64
	server.Before(func(w http.ResponseWriter, _ *http.Request) bool {
		if away.Add(-1) < 0 {
			return false
		}
		failures.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	mirror := gitsync.Open(filepath.Join(b.dir, "away"), gitsync.Remote{URL: server.URL})
	t.Cleanup(func() { b.must(mirror.Close()) })
	b.stacks[0].Mirror = mirror
	b.serve()

	away.Store(1)
	b.deployed("one", b.app("shop", "app:1", ""))

	away.Store(1 << 30)
	failed := b.untouchedByOutage(b.push("two", b.app("shop", "app:2", "")))
	if failures.Load() < 3 {
		t.Errorf("the server was asked %d times", failures.Load())
	}
	away.Store(0)
	b.must(b.queue.pollOnce(t.Context(), b.stacks[0]))
	run := b.newest()
	if got := b.ends(run, state.RunSucceeded); got.Trigger.Kind != state.TriggerPoll || got.Commit != failed.Commit {
		t.Errorf("%s deployed %s, want poll and %s", got.Trigger.Kind, got.Commit, failed.Commit)
	}
}

// An outage that lasts a night is told once.
func TestTriesDuringAnOutageRepeatTheFirst(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.target.gone(-1, func(c call) bool { return c.op == "images" })
	first := b.untouchedByOutage(b.push("two", b.app("shop", "app:2", "")))
	before := first
	for range 2 {
		b.must(b.queue.pollOnce(t.Context(), b.stacks[0]))
		again := b.untouchedByOutage(b.newest())
		if again.Repeats != before.ID {
			t.Errorf("run %s repeats %q, want %s", again.ID, again.Repeats, before.ID)
		}
		before = again
	}
	if other := b.untouchedByOutage(b.push("three", b.app("shop", "app:3", ""))); first.Repeats+other.Repeats != "" {
		t.Error("what fails for the first time is taken for a repetition")
	}
}

func (b *bench) untouchedByOutage(run *state.Run) *state.Run {
	b.t.Helper()
	got := b.ends(run, state.RunFailed)
	if j := b.stack(run.Stack).Judged; j == nil || j.Commit != got.Commit || !j.Outage || !j.Again {
		b.t.Fatalf("judged %+v:\n%s", j, b.story(got))
	}
	return got
}

// newest is the run that was queued last.
func (b *bench) newest() (run *state.Run) {
	b.t.Helper()
	b.must(b.store.View(func(tx *state.Tx) error {
		runs, _, err := tx.Runs(state.RunQuery{Limit: 1})
		if len(runs) == 1 {
			run = runs[0]
		}
		return err
	}))
	if run == nil {
		b.t.Fatal("there is no run")
	}
	return run
}
