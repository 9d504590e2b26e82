package queue

import (
	"testing"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/state"
)

// with reloads the queue with the first stack changed.
func (b *bench) with(change func(*pipeline.Stack)) {
	changed := *b.stacks[0]
	change(&changed)
	b.stacks = append([]*pipeline.Stack{&changed}, b.stacks[1:]...)
	b.must(b.queue.Reload(b.stacks, 4))
}

func TestReloadTakesANewStackIn(t *testing.T) {
	b := newBench(t, "shop", "blog")
	b.queue = New(b.store, pipeline.NewRunner(b.store, b.parts), b.stacks[:1], 4, b.parts.Log, b.seen)
	b.serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.must(b.queue.Reload(b.stacks, 4))
	receipt := b.accept(b.event(b.commit("two", b.app("blog", "app:2", ""))))
	if len(receipt.Runs) != 2 {
		t.Fatalf("the push queued %d runs, want one for each stack", len(receipt.Runs))
	}
	b.ends(receipt.Runs[0], state.RunSucceeded) // blog
	b.ends(receipt.Runs[1], state.RunUnchanged)
}

func TestReloadLeavesWhatRunsAndCancelsWhatWaitsForAStackThatIsGone(t *testing.T) {
	b := newBench(t)
	reached, let := b.target.hold(applying("app:1"))
	b.serve()
	first := b.push("one", b.app("shop", "app:1", ""))
	b.await(reached)
	second := b.push("two", b.app("shop", "app:2", ""))
	b.must(b.queue.Reload(nil, 4))
	b.says(b.ends(second, state.RunCanceled).Error, "no longer in deployer.yaml")
	b.isTold(second, state.RunCanceled)
	let()
	b.ends(first, state.RunSucceeded)
	if got := b.accept(b.event(b.commit("three", nil))); len(got.Runs) != 0 {
		t.Error("a push for a stack that is gone queued a run")
	}
}

func TestReloadThatMovesAStackDoesNotRunItTwiceAtOnce(t *testing.T) {
	b := newBench(t)
	reached, let := b.target.hold(applying("app:1"))
	b.serve()
	first := b.push("one", b.app("shop", "app:1", ""))
	b.await(reached)
	b.with(func(s *pipeline.Stack) { s.Claim = "another Engine" })
	second := b.push("two", b.app("shop", "app:2", ""))
	b.must(b.queue.dispatch())
	if got := b.run(second.ID).Status; got != state.RunQueued {
		t.Errorf("the second run is %s while the first one runs", got)
	}
	let()
	b.ends(first, state.RunSucceeded)
	b.ends(second, state.RunSucceeded)
	if live := b.stack("shop").Live; live.Run != second.ID {
		t.Errorf("live is the release of run %s, want the second's", live.Run)
	}
}

func TestReloadWithMoreWorkersStartsWhatWaitedForOne(t *testing.T) {
	b := newBench(t, "shop", "blog")
	b.queue = New(b.store, pipeline.NewRunner(b.store, b.parts), b.stacks, 1, b.parts.Log, b.seen)
	reached, let := b.target.hold(func(c call) bool { return c.op == "images" })
	defer let()
	b.serve()
	files := b.app("shop", "app:1", "")
	for name, file := range b.app("blog", "app:1", "") {
		files[name] = file
	}
	runs := b.accept(b.event(b.commit("one", files))).Runs
	b.await(reached)
	b.must(b.queue.Reload(b.stacks, 2))
	for _, run := range runs {
		b.becomes(run, state.RunRunning)
	}
}

func TestReloadedFreezeHoldsWhatWaits(t *testing.T) {
	b := newBench(t)
	now := time.Now().UTC()
	today := pipeline.Freeze{From: pipeline.WeekTime{Day: now.Weekday()}, Until: pipeline.WeekTime{Day: (now.Weekday() + 2) % 7}, Location: time.UTC}
	b.with(func(s *pipeline.Stack) { s.Freezes = []pipeline.Freeze{today} })
	b.serve()
	run := b.push("one", b.app("shop", "app:1", ""))
	b.becomes(run, state.RunWaiting)
	b.with(func(s *pipeline.Stack) { s.Freezes = nil })
	b.ends(run, state.RunSucceeded)
}

func TestPollFollowsAReload(t *testing.T) {
	b := newBench(t).serve()
	commit := b.commit("one", b.app("shop", "app:1", ""))
	b.with(func(s *pipeline.Stack) { s.Poll = time.Hour }) // it looks at once, too
	for late := time.After(patience); b.stack("shop").Head != commit; {
		select {
		case <-late:
			t.Fatal("the stack that polls since the reload was never polled")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestPollTriesAgainOnceTheRepositoryLetsItIn(t *testing.T) {
	b := newBench(t)
	server := gittest.Serve(t, b.repo)
	server.RequireAuth("deployer", "new")
	remote := func(password string) gitsync.Remote {
		return gitsync.Remote{URL: server.URL, Username: "deployer",
			Password: gitsync.Credential{Read: func() (string, error) { return password, nil }}}
	}
	b.stacks[0].Mirror.SetRemote(remote("old"))
	b.serve()
	b.says(b.ends(b.push("one", b.app("shop", "app:1", "")), state.RunFailed).Error, "authentication failed")
	b.stacks[0].Mirror.SetRemote(remote("new"))
	b.poll()
	waiting := b.queued()
	if len(waiting) != 1 {
		t.Fatalf("poll queued %d runs, want one for the commit that was refused", len(waiting))
	}
	b.ends(waiting[0], state.RunSucceeded)
}
