package queue

import (
	"slices"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

func TestPushIsDeployedAndVerified(t *testing.T) {
	b := newBench(t).serve()
	run := b.deployed("Open the shop", b.app("shop", "app:1", ""))

	if run.Commit != b.repo.Tip("main") || run.Subject != "Open the shop" || run.Author != "Test Author" {
		t.Errorf("the run is for %s %q by %s", run.Commit, run.Subject, run.Author)
	}
	var names []state.StageName
	for _, s := range run.Stages {
		names = append(names, s.Name)
		if s.Status != state.StagePassed || len(s.Steps) == 0 || s.StartedAt == nil || s.FinishedAt == nil {
			t.Errorf("stage %s is %s with %d steps, from %v to %v", s.Name, s.Status, len(s.Steps), s.StartedAt, s.FinishedAt)
		}
	}
	if want := []state.StageName{state.StageFetch, state.StageDecrypt, state.StagePreflight, state.StageDeploy, state.StageVerify}; !slices.Equal(names, want) {
		t.Errorf("the stages are %v, want %v", names, want)
	}
	s := b.stack("shop")
	if s.Live == nil || s.LastGood == nil || s.Live.ID != run.Release || s.LastGood.ID != run.Release || s.LastGood.VerifiedAt == nil {
		t.Errorf("live is %+v, last good is %+v, want release %s", s.Live, s.LastGood, run.Release)
	}
	if s.Sync() != state.SyncInSync || b.queue.Health(t.Context(), "shop") != "healthy" {
		t.Errorf("the stack is %s and %s", s.Sync(), b.queue.Health(t.Context(), "shop"))
	}
	if got := b.target.runs("shop", "web"); got != "app:1" {
		t.Errorf("web runs %q", got)
	}
	if !b.seen.wasTold(run, state.RunQueued) || !b.seen.wasTold(run, state.RunRunning) {
		t.Errorf("the observer was told of %v", b.seen.told)
	}
}

func TestOnlyTheServiceThatDiffersIsRecreated(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("one", b.app("shop", "app:1", ""))
	web, db := b.target.id("shop", "web"), b.target.id("shop", "db")
	second := b.deployed("two", b.app("shop", "app:2", ""))

	if b.target.id("shop", "web") == web || b.target.id("shop", "db") != db {
		t.Errorf("web %s → %s, db %s → %s: want only web to be another", web, b.target.id("shop", "web"), db, b.target.id("shop", "db"))
	}
	if second.Previous != first.Commit {
		t.Errorf("previous is %s, want %s", second.Previous, first.Commit)
	}
	actions := map[string]state.ServiceChange{}
	for _, c := range second.Changes.Services {
		actions[c.Name] = c
	}
	if actions["db"].Action != state.ActionKeep || actions["web"].Action != state.ActionRecreate {
		t.Errorf("the changes are %+v", second.Changes.Services)
	}
	b.says(actions["web"].Why, "image app:1 → app:2")
}

func TestImagesOfTheWayBackAreKept(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.deployed("two", b.app("shop", "app:2", ""))
	b.stop() // images are given up after the run is over
	for _, image := range []string{"app:1", "app:2", "db:1"} {
		if !slices.Contains(b.target.kept["shop"], image) {
			t.Errorf("%s is not kept from a prune: %v", image, b.target.kept["shop"])
		}
	}
}

func TestSameReleaseUnderANewCommitIsUnchanged(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("one", b.app("shop", "app:1", ""))
	applies, _ := b.target.counts()
	run := b.ends(b.push("a note", gittest.Files{"shop/README.md": gittest.Text("hello")}), state.RunUnchanged)

	if got, _ := b.target.counts(); got != applies {
		t.Errorf("the target was applied to %d times more", got-applies)
	}
	if run.Release != first.Release || run.Error != "" {
		t.Errorf("release %s, error %q; want release %s and none", run.Release, run.Error, first.Release)
	}
	s := b.stack("shop")
	if s.Sync() != state.SyncInSync || s.Live.Commit != first.Commit || s.Judged.Commit != run.Commit {
		t.Errorf("the stack is %s, live %s, judged %s", s.Sync(), s.Live.Commit, s.Judged.Commit)
	}
}

func TestPushBesideTheStackIsUnchangedAfterTheFetch(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", "paths: [\"shared/**\"]\n"))
	run := b.ends(b.push("elsewhere", gittest.Files{"blog/post.md": gittest.Text("hi")}), state.RunUnchanged)
	if got := run.Stage(state.StageDecrypt).Status; got != state.StageSkipped {
		t.Errorf("decrypt is %s, want skipped: the fetch had proved it", got)
	}
	if s := b.stack("shop"); s.Sync() != state.SyncInSync || s.Head != run.Commit {
		t.Errorf("the stack is %s with head %s", s.Sync(), s.Head)
	}
	// The stack's own patterns reach further: this one is looked at closely.
	run = b.ends(b.push("shared", gittest.Files{"shared/x": gittest.Text("x")}), state.RunUnchanged)
	if got := run.Stage(state.StagePreflight).Status; got != state.StagePassed {
		t.Errorf("preflight is %s, want passed", got)
	}
}

func TestFileThatTheStackReadsElsewhereConcernsIt(t *testing.T) {
	b := newBench(t).serve()
	files := b.app("shop", "app:1", "")
	files["shop/compose.yaml"] = gittest.Text("services:\n  web:\n    image: app:1\n    env_file: [../shared/web.env]\n")
	files["shared/web.env"] = gittest.Text("COLOR=blue\n")
	b.deployed("one", files)
	web := b.target.id("shop", "web")
	run := b.deployed("green", gittest.Files{"shared/web.env": gittest.Text("COLOR=green\n")})
	if b.target.id("shop", "web") == web {
		t.Error("web was not recreated")
	}
	b.says(run.Changes.Services[0].Why, "COLOR")
}

func TestChangedChecksAreVerifiedWithoutTouchingAContainer(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("one", b.app("shop", "app:1", ""))
	web := b.target.id("shop", "web")
	run := b.deployed("checks", b.app("shop", "app:1", "verify: [{check: containers, settle: 1s}]\n"))
	if b.target.id("shop", "web") != web {
		t.Error("web was recreated")
	}
	if run.Release == first.Release || b.stack("shop").LastGood.ID != run.Release {
		t.Errorf("release %s after %s, last good %s", run.Release, first.Release, b.stack("shop").LastGood.ID)
	}
}

func TestContainerThatSomebodyChangedIsDeployedAgain(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("one", b.app("shop", "app:1", ""))
	b.target.edit("shop", "web", stopped)
	if got := b.queue.Health(t.Context(), "shop"); got != "degraded" {
		t.Errorf("with a stopped container the stack is %s", got)
	}
	run, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{})
	b.must(err)
	if got := b.ends(run, state.RunSucceeded); got.Release != first.Release {
		t.Errorf("release %s, want %s", got.Release, first.Release)
	}
	if got := b.queue.Health(t.Context(), "shop"); got != "healthy" {
		t.Errorf("the stack is %s", got)
	}
}

func TestStacksOfOneRepositoryAreDeployedByOnePush(t *testing.T) {
	b := newBench(t, "blog", "shop").serve()
	files := b.app("shop", "app:1", "")
	for name, f := range b.app("blog", "press:1", "") {
		files[name] = f
	}
	receipt := b.accept(b.event(b.commit("both", files)))
	if len(receipt.Runs) != 2 || receipt.Runs[0].Stack != "blog" || receipt.Runs[1].Stack != "shop" {
		t.Fatalf("queued %+v", receipt.Runs)
	}
	for _, run := range receipt.Runs {
		b.ends(run, state.RunSucceeded)
	}
	if b.target.runs("shop", "web") != "app:1" || b.target.runs("blog", "web") != "press:1" {
		t.Errorf("shop runs %s, blog runs %s", b.target.runs("shop", "web"), b.target.runs("blog", "web"))
	}
}

func TestPlanShowsTheChangeAndTouchesNothing(t *testing.T) {
	b := newBench(t).serve()
	first := b.deployed("one", b.app("shop", "app:1", ""))
	applies, _ := b.target.counts()
	b.commit("two", b.app("shop", "app:2", ""))
	changes, err := b.queue.Plan(t.Context(), "shop", "")
	b.must(err)
	if len(changes.Services) != 2 || changes.Services[1].Action != state.ActionRecreate {
		t.Errorf("the plan is %+v", changes.Services)
	}
	if got, _ := b.target.counts(); got != applies || b.stack("shop").Live.ID != first.Release || b.stack("shop").Head != first.Commit {
		t.Errorf("the plan left %d applies and the stack %+v", got-applies, b.stack("shop"))
	}
	b.must(b.store.View(func(tx *state.Tx) error {
		runs, _, err := tx.Runs(state.RunQuery{})
		if len(runs) != 1 {
			t.Errorf("%d runs are kept after the plan, want 1", len(runs))
		}
		return err
	}))
	if changes, err = b.queue.Plan(t.Context(), "shop", first.Commit); err != nil || !changes.Empty() {
		t.Errorf("the plan of what runs is %+v, %v", changes, err)
	}
}
