package queue

import (
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// ignored wants a delivery to queue nothing, and to say why.
func (b *bench) ignored(event state.Event, says ...string) {
	b.t.Helper()
	receipt := b.accept(event)
	if len(receipt.Runs) != 0 {
		b.t.Fatalf("it queued %+v", receipt.Runs[0])
	}
	b.says(receipt.Ignored, says...)
}

func (b *bench) accepted(event state.Event) *state.Run {
	b.t.Helper()
	receipt := b.accept(event)
	if len(receipt.Runs) != 1 || receipt.Ignored != "" {
		b.t.Fatalf("it queued %d runs, ignored %q; want one", len(receipt.Runs), receipt.Ignored)
	}
	return receipt.Runs[0]
}

func TestAcceptedPushIsOnDisk(t *testing.T) {
	b := newBench(t)
	event := b.event("0123456789")
	event.Subject, event.Author = "Open", "Zoë"
	run := b.accepted(event)
	b.must(b.store.Close())
	var err error
	b.store, err = state.Open(b.database())
	b.must(err)

	got := b.run(run.ID)
	if got.Status != state.RunQueued || got.Commit != "0123456789" || got.Subject != "Open" || got.Author != "Zoë" ||
		got.Trigger != (state.Trigger{Kind: state.TriggerWebhook, Actor: "dev", Delivery: event.Delivery}) {
		t.Errorf("on disk is %+v", got)
	}
}

func TestDeliveryThatConcernsNoStackIsIgnoredWithTheReason(t *testing.T) {
	b := newBench(t)
	for name, row := range map[string]struct {
		change func(*state.Event)
		says   string
	}{
		"another branch":                 {func(e *state.Event) { e.Ref = "refs/heads/dev" }, "no stack follows refs/heads/dev"},
		"a branch whose name ends alike": {func(e *state.Event) { e.Ref = "refs/heads/x/main" }, "no stack follows"},
		"a tag with the branch's name":   {func(e *state.Event) { e.Ref = "refs/tags/main" }, "no stack follows refs/tags/main"},
		"a deleted branch":               {func(e *state.Event) { e.Deleted, e.After = true, "" }, "refs/heads/main was deleted"},
		"a ping":                         {func(e *state.Event) { *e = state.Event{Kind: state.EventIgnored, Ignored: "a ping"} }, "a ping"},
		"a pull request": {func(e *state.Event) {
			e.Kind, e.PullRequest = state.EventPullRequest, &state.PullRequest{Number: 1, Action: state.PullOpened, Base: "refs/heads/dev"}
		}, "no stack follows refs/heads/dev"},
	} {
		t.Run(name, func(t *testing.T) {
			event := b.event("0123456789")
			row.change(&event)
			b.ignored(event, row.says)
		})
	}
	if receipt := b.accept(); len(receipt.Runs) != 0 || receipt.Ignored == "" {
		t.Errorf("a delivery without events: %+v", receipt)
	}
	receipt, err := b.queue.Accept(t.Context(), "other", []state.Event{b.event("0123456789")})
	if err != nil || len(receipt.Runs) != 0 || !strings.Contains(receipt.Ignored, "no stack follows") {
		t.Errorf("a push to another repository: %+v, %v", receipt, err)
	}
}

func TestRepeatedDeliveryIsTakenOnce(t *testing.T) {
	b := newBench(t)
	event := b.event("0123456789")
	b.accepted(event)
	b.ignored(event, event.Delivery, "already taken")
	event.Delivery = "" // without an id nothing tells it from a new one
	b.accepted(event)
	b.accepted(event)
}

func TestEveryRefOfOneDeliveryIsLookedAt(t *testing.T) {
	b := newBench(t, "blog", "shop")
	b.stacks[0].Branch = "press"
	one, two := b.event("0123456789"), b.event("9876543210")
	two.Delivery = one.Delivery
	two.Ref = "refs/heads/press"
	receipt := b.accept(one, two)
	if len(receipt.Runs) != 2 || receipt.Runs[0].Stack != "shop" || receipt.Runs[1].Stack != "blog" {
		t.Fatalf("queued %d runs, ignored %q; want one a branch", len(receipt.Runs), receipt.Ignored)
	}
	if receipt = b.accept(one, two); len(receipt.Runs) != 0 {
		t.Errorf("the repeated delivery queued %d runs", len(receipt.Runs))
	}
}

func TestRedeliveryTriesAgainWhatFailedBeforeAnyChange(t *testing.T) {
	b := newBench(t).serve()
	b.target.lose("app:1")
	event := b.event(b.commit("one", b.app("shop", "app:1", "")))
	b.untouched(b.accepted(event), "manifest unknown")
	b.target.find("app:1") // somebody has pushed the image
	b.ends(b.accepted(event), state.RunSucceeded)
	b.ignored(event, "already taken")
}

func TestRedeliveryDoesNotTryAgainWhatWasDeployed(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	event := b.event(b.commit("two", b.app("shop", "app:broken", "")))
	run := b.ends(b.accepted(event), state.RunRolledBack)
	b.ignored(event, "already taken")
	event.Delivery = "another hook's id"
	b.ignored(event, "already judged by run "+run.ID, "rolled_back")
}

func TestRedeliveryAfterFailureOfOneStackLeavesTheOtherAlone(t *testing.T) {
	b := newBench(t, "blog", "shop").serve()
	files := b.app("shop", "app:1", "")
	for name, f := range b.app("blog", "press:1", "") {
		files[name] = f
	}
	b.target.lose("press:1")
	event := b.event(b.commit("both", files))
	receipt := b.accept(event)
	b.ends(receipt.Runs[0], state.RunFailed)
	b.ends(receipt.Runs[1], state.RunSucceeded)
	b.target.find("press:1")
	if again := b.accepted(event); again.Stack != "blog" {
		t.Errorf("%s was queued again", again.Stack)
	}
}

func TestPushesThatWaitBecomeTheNewest(t *testing.T) {
	b := newBench(t)
	one, two, three := b.accepted(b.event("111")), b.accepted(b.event("222")), b.accepted(b.event("333"))
	for run, next := range map[*state.Run]*state.Run{one: two, two: three} {
		got := b.run(run.ID)
		if got.Status != state.RunSuperseded || got.SupersededBy != next.ID || got.FinishedAt == nil {
			t.Errorf("%s is %s by %q, finished %v", got.Commit, got.Status, got.SupersededBy, got.FinishedAt)
		}
	}
	if got := b.run(three.ID).Status; got != state.RunQueued {
		t.Errorf("the newest is %s", got)
	}
}

func TestPushDoesNotTakeThePlaceOfAPersonsRun(t *testing.T) {
	b := newBench(t)
	push := b.accepted(b.event("111"))
	person, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{})
	b.must(err)
	later := b.accepted(b.event("222"))
	for run, want := range map[*state.Run]state.RunStatus{push: state.RunSuperseded, person: state.RunQueued, later: state.RunQueued} {
		if got := b.run(run.ID).Status; got != want {
			t.Errorf("%s %s is %s, want %s", run.Trigger.Kind, run.Commit, got, want)
		}
	}
}

func TestPushWhilePinnedIsShownNotDeployed(t *testing.T) {
	b := newBench(t).serve()
	first, second := twice(b)
	b.ends(b.deploy(state.RunTarget{Commit: first.Commit}), state.RunSucceeded)
	commit := b.commit("three", b.app("shop", "app:3", ""))
	b.ignored(b.event(commit), "pin", "shown, not deployed")
	if s := b.stack("shop"); s.Head != commit || s.Sync() != state.SyncPinned {
		t.Errorf("the head is %s, the stack %s", s.Head, s.Sync())
	}
	b.ends(b.deploy(state.RunTarget{Commit: second.Commit}), state.RunSucceeded)
	b.must(b.queue.Unpin(t.Context(), "shop", by("ops", "")))
	if got := b.stack("shop").Sync(); got != state.SyncBehind {
		t.Errorf("the release that was the head before the push is live, and the stack is %s", got)
	}
}

func TestOnlyACompleteListOfPathsProvesThatAPushDoesNotConcern(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("one", b.app("shop", "app:1", "paths: [\"shared/**\"]\n"))
	push := func(change func(*state.Event)) state.Event {
		event := b.event("0123456789012345678901234567890123456789")
		event.Before, event.Paths, event.PathsComplete = first.Commit, []string{"blog/post.md", "shopping/list"}, true
		change(&event)
		return event
	}
	b.stop()
	b.ignored(push(func(*state.Event) {}), "no path of the push concerns shop")
	for name, change := range map[string]func(*state.Event){
		"the list was cut short":            func(e *state.Event) { e.PathsComplete = false },
		"it starts at another commit":       func(e *state.Event) { e.Before = "0000111" },
		"a path is in the folder":           func(e *state.Event) { e.Paths = append(e.Paths, "shop/x") },
		"a path is among the stack's paths": func(e *state.Event) { e.Paths = append(e.Paths, "shared/a/b") },
	} {
		t.Run(name, func(t *testing.T) { b.accepted(push(change)) })
	}
}

func TestPatternThatIsNoneIsRefusedBeforeItCanHoldPushesUp(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.untouched(b.push("two", gittest.Files{"shop/pipeline.yaml": gittest.Text("paths: [\"a[\"]\n")}), "paths[0]", "a[")
	b.deployed("three", gittest.Files{"a/b": gittest.Text(""), "shop/pipeline.yaml": gittest.Text("paths: [\"a\"]\n")})
}
