package queue

import (
	"testing"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

func TestApprovalIsForOneRelease(t *testing.T) {
	b := newBench(t)
	b.stacks[0].Approval = true
	b.serve()
	run := b.becomes(b.push("one", b.app("shop", "app:1", "")), state.RunWaiting)
	if run.WaitingFor != "approval" || run.Stage(state.StagePreflight).Status != state.StagePassed || run.Stage(state.StageDeploy).Status != state.StagePending {
		t.Fatal(b.story(run))
	}
	if _, changes := b.target.counts(); changes != 0 {
		t.Fatal("the stack was changed before anybody approved")
	}
	newer := b.becomes(b.push("two", b.app("shop", "app:2", "")), state.RunWaiting)
	if old := b.run(run.ID); old.Status != state.RunSuperseded {
		t.Fatalf("the run that waited is %s", old.Status)
	}
	b.refused(b.queue.Approve(t.Context(), run.ID, by("ops", "")), "does not wait for approval")

	// The branch moves without a webhook: what was approved is not what would run.
	b.commit("three", b.app("shop", "app:3", ""))
	b.must(b.queue.Approve(t.Context(), newer.ID, by("ops", "")))
	again := b.wait(newer.ID, "asks again", func(r *state.Run) bool {
		return r.Status == state.RunWaiting && r.Release != newer.Release
	})
	if again.ApprovedBy != "" {
		t.Fatalf("approved by %s though it is another release", again.ApprovedBy)
	}
	b.must(b.queue.Approve(t.Context(), newer.ID, by("ops", "")))
	if done := b.ends(newer, state.RunSucceeded); done.ApprovedBy != "ops" || b.target.runs("shop", "web") != b.target.ref("app:3") {
		t.Fatal(b.story(done))
	}
}

func TestRejectedPushIsJudged(t *testing.T) {
	b := newBench(t)
	b.stacks[0].Approval = true
	b.serve()
	run := b.becomes(b.push("one", b.app("shop", "app:1", "")), state.RunWaiting)
	b.must(b.queue.Reject(t.Context(), run.ID, by("ops", "not on a Friday")))
	b.says(b.ends(run, state.RunCanceled).Error, "rejected by ops", "not on a Friday")
	if receipt := b.accept(b.event(run.Commit)); len(receipt.Runs) != 0 {
		t.Fatal("a rejected commit came back by itself")
	}
	person, err := b.queue.Deploy(t.Context(), "shop", by("ops", "now"), state.RunTarget{})
	b.must(err)
	b.ends(person, state.RunSucceeded)
}

func TestFreezeHoldsPushesAndRefusesPeople(t *testing.T) {
	b := newBench(t)
	always := pipeline.Freeze{From: pipeline.WeekTime{Day: time.Monday, Hour: 0, Minute: 0}, Until: pipeline.WeekTime{Day: time.Monday, Hour: 0, Minute: 0}, Location: time.UTC}
	b.stacks[0].Freezes = []pipeline.Freeze{always}
	b.serve()
	run := b.becomes(b.push("one", b.app("shop", "app:1", "")), state.RunWaiting)
	if run.WaitingFor != "freeze" {
		t.Fatalf("waits for %q", run.WaitingFor)
	}
	_, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{})
	b.refused(err, "is frozen until")
	forced, err := b.queue.Deploy(t.Context(), "shop", by("ops", "urgent"), state.RunTarget{Force: []string{"freeze"}})
	b.must(err)
	b.ends(forced, state.RunSucceeded)
}

// A stack whose newest commit waits is behind, not in sync with an older one.
func TestStackIsBehindWhileAPushWaits(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.must(b.queue.Lock(t.Context(), "shop", by("ops", "sale")))
	locked := b.becomes(b.push("two", b.app("shop", "app:2", "")), state.RunWaiting)
	if s := b.stack("shop"); s.Sync() != state.SyncBehind || s.Head != locked.Commit {
		t.Errorf("while %s waits for the lock the head is %s and the stack %s", locked.Commit, s.Head, s.Sync())
	}

	b = newBench(t)
	b.stacks[0].Approval = true
	b.serve()
	run := b.becomes(b.push("one", b.app("shop", "app:1", "")), state.RunWaiting)
	b.must(b.queue.Approve(t.Context(), run.ID, by("ops", "")))
	b.ends(run, state.RunSucceeded)
	next := b.becomes(b.push("two", b.app("shop", "app:2", "")), state.RunWaiting)
	if s := b.stack("shop"); s.Sync() != state.SyncBehind || s.Head != next.Commit {
		t.Errorf("while %s waits for approval the head is %s and the stack %s", next.Commit, s.Head, s.Sync())
	}
}
