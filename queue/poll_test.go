package queue

import (
	"testing"
	"time"

	"deployer/state"
)

func (b *bench) poll() {
	b.t.Helper()
	b.must(b.queue.pollOnce(b.t.Context(), b.stacks[0]))
}

// queued are the runs that are not over.
func (b *bench) queued() (runs []*state.Run) {
	b.t.Helper()
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		runs, err = tx.ActiveRuns()
		return err
	}))
	return runs
}

func TestPollFindsWhatNoWebhookTold(t *testing.T) {
	b := newBench(t)
	b.stacks[0].Poll = time.Hour // it looks at once, too
	commit := b.commit("one", b.app("shop", "app:1", ""))
	reached, let := b.target.hold(func(c call) bool { return c.op == "images" })
	b.serve()
	b.await(reached)
	run := b.newest()
	let()
	if got := b.ends(run, state.RunSucceeded); got.Trigger.Kind != state.TriggerPoll || got.Commit != commit {
		t.Errorf("%s deployed %s", got.Trigger.Kind, got.Commit)
	}
}

func TestPollQueuesATipOnce(t *testing.T) {
	b := newBench(t)
	b.commit("one", b.app("shop", "app:1", ""))
	b.poll()
	b.poll()
	if got := len(b.queued()); got != 1 {
		t.Fatalf("%d runs, want 1", got)
	}
	b.serve()
	b.ends(b.queued()[0], state.RunSucceeded)
	b.poll()
	if got := len(b.queued()); got != 0 {
		t.Errorf("a tip that was judged is queued again")
	}
}

func TestPollLeavesAloneWhatFailedOnItsOwn(t *testing.T) {
	b := newBench(t).serve()
	b.target.lose("app:1")
	b.untouched(b.push("one", b.app("shop", "app:1", "")))
	b.poll()
	if got := len(b.queued()); got != 0 {
		t.Error("poll tries again what a person has to correct")
	}
}

func TestPollLeavesAPersonsRunItsPlace(t *testing.T) {
	b := newBench(t)
	b.commit("one", b.app("shop", "app:1", ""))
	person := b.deploy(state.RunTarget{})
	b.poll()
	if got := b.queued(); len(got) != 1 || got[0].ID != person.ID {
		t.Errorf("%d runs wait", len(got))
	}
}

func TestPollShowsTheHeadOfAPinnedStack(t *testing.T) {
	b := newBench(t).serve()
	first, _ := twice(b)
	b.ends(b.deploy(state.RunTarget{Commit: first.Commit}), state.RunSucceeded)
	tip := b.commit("three", b.app("shop", "app:3", ""))
	b.poll()
	if s := b.stack("shop"); s.Head != tip || s.Sync() != state.SyncPinned || len(b.queued()) != 0 {
		t.Errorf("head %s, %s, %d runs", s.Head, s.Sync(), len(b.queued()))
	}
}

func TestPollThatCannotReachTheRepositoryQueuesNothing(t *testing.T) {
	b := newBench(t)
	if err := b.queue.pollOnce(t.Context(), b.stacks[0]); err == nil { // the branch does not exist yet
		t.Error("no error")
	}
	if got := len(b.queued()); got != 0 {
		t.Errorf("%d runs", got)
	}
}
