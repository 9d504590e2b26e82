package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/state"
)

// pull is what a forge tells of pull request 7 for a head.
func (b *bench) pull(action state.PullAction, head string) state.Event {
	b.deliveries++
	return state.Event{
		Provider: "github", Delivery: fmt.Sprintf("delivery-%d", b.deliveries), Kind: state.EventPullRequest,
		Actor: "dev", Subject: "Open a port", Author: "dev",
		PullRequest: &state.PullRequest{Number: 7, Action: action, Base: "refs/heads/main", Head: head, HeadRef: "refs/heads/topic"},
	}
}

// proposed commits on the branch topic, on top of main, as pull request 7.
func (b *bench) proposed(files gittest.Files) string {
	b.t.Helper()
	head := b.repo.CommitOn("refs/heads/main", "topic", "Open a port", files)
	b.repo.Git("update-ref", "refs/pull/7/head", head)
	return head
}

// reviewed delivers a pull request's event and returns the one review that it queues.
func (b *bench) reviewed(event state.Event) *state.Run {
	b.t.Helper()
	receipt := b.accept(event)
	if len(receipt.Reviews) != 1 || len(receipt.Runs) != 0 || receipt.Ignored != "" {
		b.t.Fatalf("it queued %d reviews and %d runs, ignored %q; want one review", len(receipt.Reviews), len(receipt.Runs), receipt.Ignored)
	}
	return receipt.Reviews[0]
}

// planOf is what a run says that it would do, as JSON for people.
func planOf(t *testing.T, c *state.Changes) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// told is all that a run says.
func told(t *testing.T, run *state.Run) string {
	t.Helper()
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files lists what lies in the folders that a deploy writes to.
func (b *bench) files() (out []string) {
	b.t.Helper()
	for _, dir := range []string{"objects", "stacks", "tmpfs"} {
		_ = filepath.WalkDir(filepath.Join(b.dir, dir), func(p string, _ fs.DirEntry, err error) error {
			if err == nil {
				out = append(out, p)
			}
			return nil
		})
	}
	return out
}

func TestAReviewSaysWhatTheMergeWouldDoAndTouchesNothing(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Provider = "github"
	b.env = b.encrypted("PASSWORD="+canary, "OLD=gone-with-it-1")
	first := b.app("shop", "web:1", "preflight: [{check: dns, host: nowhere.invalid}]\n")
	first["shop/"+pipeline.FileName] = gittest.Text("rollback: {automatic: true}\n")
	live := b.deployed("one", first)
	applies, _ := b.target.counts()
	before := b.files()

	b.env = b.encrypted("PASSWORD="+canary, "NEW=new-secret-value")
	head := b.proposed(gittest.Files{
		"shop/.env.production": b.env,
		"shop/compose.yaml": gittest.Text("services:\n  web:\n    image: web:2\n    ports: ['8080:80']\n    configs: [{source: c, target: /c}]\n" +
			"    volumes: ['data:/data', './conf:/conf:ro']\n    environment: {PASSWORD: \"${PASSWORD}\"}\nvolumes: {data: {}}\nconfigs: {c: {content: \"${NEW}\"}}\n"),
		"shop/conf/a":               gittest.Text("1"),
		"shop/" + pipeline.FileName: gittest.Text("rollback: {automatic: true}\npreflight: [{check: dns, host: nowhere.invalid}]\n"),
	})
	run := b.ends(b.reviewed(b.pull(state.PullOpened, head)), state.RunSucceeded)

	if r := run.Review; r.Pull != 7 || r.Base != "main" || r.Head != head || r.Behind || r.Stale || run.Commit != head || run.Changes.Against != live.Commit {
		t.Errorf("review %+v of %s against %s", r, run.Commit, run.Changes.Against)
	}
	b.says(planOf(t, run.Changes),
		`{"name":"db","action":"remove"`, `{"name":"web","action":"recreate","why":"image web:1 → web:2`,
		`"images":[{"service":"db","old":"db:1"`, `"old":"web:1","new":"web:2","old_digest":"sha256:`,
		`"ports":[{"service":"web","port":"8080:80","kind":"added"}]`, `"volumes":[{"name":"data","kind":"added"}]`,
		`"secrets":[{"name":"NEW","kind":"added"},{"name":"OLD","kind":"removed"}]`,
		`"files":[{"name":"./conf","kind":"added","why":"mounted by web"}]`,
		`"pipeline":[{"kind":"added","line":2,"text":"preflight: [{check: dns`,
		`{"name":"env","status":"passed"`, `{"name":"dns nowhere.invalid","status":"skipped"`)
	if after, _ := b.target.counts(); after != applies {
		t.Error("it applied something")
	}
	if after := b.files(); len(after) != len(before) {
		t.Errorf("it left files: %v, before %v", after, before)
	}
	if s := b.stack("shop"); s.Live.Commit != live.Commit || s.Judged.Commit != live.Commit || s.Head != live.Commit {
		t.Errorf("the stack is %+v", s)
	}
	for _, secret := range []string{canary, "gone-with-it-1", "new-secret-value"} {
		if text := planOf(t, run.Changes) + b.story(run); strings.Contains(text, secret) {
			t.Errorf("a secret is in:\n%s", text)
		}
	}
}

func TestAReviewThatADeployWouldStopAtFails(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "web:1", ""))
	head := b.proposed(gittest.Files{"shop/compose.yaml": gittest.Text("services: {web: {image: 'web:${MISSING}'}}\n")})
	run := b.ends(b.reviewed(b.pull(state.PullOpened, head)), state.RunFailed)
	b.says(run.Error, "env failed", "would stop before it changes anything")
	b.says(planOf(t, run.Changes), `"name":"env","status":"failed"`, "MISSING")
	head = b.proposed(gittest.Files{"shop/compose.yaml": gittest.Text("services: [\n")})
	run = b.ends(b.reviewed(b.pull(state.PullUpdated, head)), state.RunFailed)
	b.says(run.Error, "compose.yaml")
	if s := b.stack("shop"); len(s.Quarantined) != 0 || s.Lock != nil {
		t.Errorf("the stack is %+v", s)
	}
}

func TestAReviewOfAnotherStacksFilesIsUnchanged(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "web:1", ""))
	run := b.ends(b.reviewed(b.pull(state.PullOpened, b.proposed(gittest.Files{"README": gittest.Text("1")}))), state.RunUnchanged)
	b.says(told(t, run), "pull request 7 changes no file of this stack")
	head := b.proposed(gittest.Files{"shop/README": gittest.Text("1")})
	run = b.ends(b.reviewed(b.pull(state.PullUpdated, head)), state.RunUnchanged)
	b.says(told(t, run), "would change nothing of this stack")
}

// A review neither waits for a deploy of the stack, nor for what holds pushes
// back, and no deploy waits for it.
func TestAReviewStandsBesideADeploy(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "web:1", ""))
	reached, release := b.target.hold(applying("web:2"))
	deploy := b.push("two", b.app("shop", "web:2", ""))
	b.await(reached)
	b.must(b.queue.Lock(t.Context(), "shop", by("ops", "not now")))
	run := b.ends(b.reviewed(b.pull(state.PullOpened, b.proposed(b.app("shop", "web:3", "")))), state.RunSucceeded)
	b.says(planOf(t, run.Changes), "web:3")
	if got := b.run(deploy.ID); got.Status != state.RunRunning {
		t.Errorf("the deploy is %s", got.Status)
	}
	release()
	b.ends(deploy, state.RunSucceeded)
}

func TestTheNewestReviewOfAPullRequestCounts(t *testing.T) {
	b := newBench(t)
	push := b.accepted(b.event("0123456789012345678901234567890123456789"))
	first := b.reviewed(b.pull(state.PullOpened, ""))
	other := b.pull(state.PullOpened, "")
	other.PullRequest.Number = 8
	aside := b.reviewed(other)
	second := b.reviewed(b.pull(state.PullUpdated, ""))
	if got := b.run(first.ID); got.Status != state.RunSuperseded || got.SupersededBy != second.ID {
		t.Errorf("the first is %s by %s", got.Status, got.SupersededBy)
	}
	for _, run := range []*state.Run{push, aside, second} {
		if got := b.run(run.ID); got.Status != state.RunQueued {
			t.Errorf("%s is %s", got.Kind, got.Status)
		}
	}
	b.accepted(b.event("1234567890123456789012345678901234567890"))
	if got := b.run(second.ID); got.Kind != state.KindReview || (got.Status != state.RunQueued && got.Status != state.RunSuperseded) {
		t.Errorf("after a push it is %s", got.Status)
	}
	closed := b.pull(state.PullClosed, "")
	b.ignored(closed, "pull request 7 was closed")
	left := b.stack("shop").Proposals
	if len(left) != 1 || left[0].Pull != 8 {
		t.Errorf("left are %+v", left)
	}
	b.ignored(closed, "nothing was planned for it")
}

func TestWhenTheBaseMovesReviewsAreStaleAndPlannedAgain(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "web:1", ""))
	first := b.ends(b.reviewed(b.pull(state.PullOpened, b.proposed(b.app("shop", "web:3", "")))), state.RunSucceeded)
	reached, release := b.target.hold(applying("web:2"))
	deploy := b.push("two", gittest.Files{"shop/other": gittest.Text("1"), "shop/compose.yaml": gittest.Text("services: {web: {image: 'web:2'}, db: {image: 'db:1'}}\n")})
	b.await(reached)
	if got := b.run(first.ID); !got.Review.Stale || got.Status != state.RunSucceeded {
		t.Errorf("the review is %+v", got.Review)
	}
	proposals := b.stack("shop").Proposals
	if len(proposals) != 1 || proposals[0].Run == first.ID {
		t.Fatalf("proposals are %+v", proposals)
	}
	if got := b.run(proposals[0].Run); got.Status != state.RunQueued { // the plan is against what will run
		t.Errorf("the next review is %s before the deploy has ended", got.Status)
	}
	release()
	b.ends(deploy, state.RunSucceeded)
	next := b.ends(b.run(proposals[0].Run), state.RunSucceeded)
	if next.Review.Stale || !next.Review.Behind || next.Review.Pull != 7 || next.Changes.Against != deploy.Commit {
		t.Errorf("the next review is %+v against %s", next.Review, next.Changes.Against)
	}
}

func TestAfterTheMergeAReviewTellsHowTheDeployEnded(t *testing.T) {
	for _, image := range []string{"web:2", "web:sick"} {
		for _, quick := range []bool{true, false} { // the push is told of, and deployed, before the merge
			b := newBench(t).serve()
			b.deployed("one", b.app("shop", "web:1", ""))
			head := b.proposed(b.app("shop", image, ""))
			review := b.ends(b.reviewed(b.pull(state.PullOpened, head)), state.RunSucceeded)
			b.repo.Reset("main", head)
			merged := b.pull(state.PullMerged, head)
			merged.PullRequest.MergeCommit = head
			tell := func() { b.ignored(merged, "pull request 7 was merged") }
			if !quick {
				tell()
			}
			push := b.accept(b.event(head)).Runs[0]
			deploy := b.wait(push.ID, "over", func(r *state.Run) bool { return r.Status.Terminal() })
			if quick {
				tell()
			}
			got := b.run(review.ID).Review
			if got.Stale != quick {
				t.Errorf("stale: %+v", got)
			}
			if got.Ended != state.EndedMerged || got.Merged != head || got.Outcome == nil || got.Outcome.Run != deploy.ID || got.Outcome.Status != deploy.Status {
				t.Errorf("%s, quick %t: %+v, outcome %+v", image, quick, got, got.Outcome)
			}
			if left := b.stack("shop").Proposals; len(left) != 0 {
				t.Errorf("proposals are left: %+v", left)
			}
		}
	}
}

// The secrets of the base are in reach of nothing that a fork says.
func TestAForkIsPlannedWithoutAnySecretOrNotAtAll(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Provider = "gitea"
	first := b.app("shop", "web:1", "")
	first["shop/.env.production.example"] = gittest.Text("PASSWORD=change-me\nPORT=8080\n")
	b.env = b.encrypted("PASSWORD="+canary, "PORT=9090")
	first["shop/.env.production"] = b.env
	b.deployed("one", first)

	head := b.proposed(gittest.Files{
		"shop/compose.yaml": gittest.Text("services:\n  web:\n    image: \"evil:${PASSWORD}\"\n    ports: [\"${PORT}:80\"]\n    env_file: [.env.production]\n" +
			"    configs: [{source: c, target: /c}]\n  db: {image: 'db:1'}\nconfigs: {c: {content: \"${PASSWORD}\"}}\n"),
		"shop/" + pipeline.FileName: gittest.Text("preflight: [{check: http, url: 'http://127.0.0.1:1/${PASSWORD}'}]\n"),
	})
	event := b.pull(state.PullOpened, head)
	event.PullRequest.Fork = true
	b.ignored(event, "another repository", "forge.forks")

	b.stacks[0].PlanForks = true
	b.stacks[0].Keys.AgeKeyFiles = []string{filepath.Join(b.dir, "no-such.key")} // whoever decrypts fails
	applies, _ := b.target.counts()
	b.target.on(func(_ context.Context, c call) error {
		if c.op != "containers" {
			t.Errorf("the target is asked: %s", c.op)
		}
		return nil
	})
	run := b.ends(b.reviewed(event), state.RunSucceeded)
	plan := planOf(t, run.Changes)
	b.says(plan, `"new":"evil:change-me"`, `"port":"8080:80","kind":"added"`, "stand for the real ones", pipeline.FileName+" is changed too", "127.0.0.1:1/${PASSWORD}")
	if strings.Contains(plan, "9090") || strings.Contains(plan, `"secrets"`) || strings.Contains(plan, `"values"`) {
		t.Errorf("values of the real env file are in %s", plan)
	}
	if after, _ := b.target.counts(); after != applies {
		t.Error("it applied something")
	}
	for _, step := range run.Stage(state.StagePreflight).Steps {
		if step.Name != "compose" {
			t.Errorf("it ran %+v", step)
		}
	}
	record, err := json.Marshal(run)
	b.must(err)
	b.clean("the run", record)
	b.clean("the log", []byte(b.log(run)))
}

// A forge makes the merge a moment after it has told of the pull request.
func TestTheForgesMergeIsWaitedForWhereTheHeadIsBehind(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Provider = "github"
	b.deployed("one", b.app("shop", "web:1", ""))
	head := b.proposed(b.app("shop", "web:2", ""))
	moved := b.commit("aside", gittest.Files{"shop/aside": gittest.Text("1")})
	reached, let := b.target.hold(func(c call) bool { return c.op == "images" })
	run := b.reviewed(b.pull(state.PullOpened, head))
	b.wait(run.ID, "running", func(r *state.Run) bool { return r.Status == state.RunRunning })
	merge := b.repo.Git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", "-p", moved, "-p", head, "-m", "merge",
		b.repo.Git("merge-tree", "--write-tree", moved, head))
	b.repo.Git("update-ref", "refs/pull/7/merge", merge)
	b.await(reached)
	let()
	run = b.ends(run, state.RunSucceeded)
	if run.Commit != merge || run.Review.Behind || run.Review.Head != head {
		t.Errorf("planned %s of %+v, the merge is %s", run.Commit, run.Review, merge)
	}
}

// What a backup holds back is let go by the backup, not by who only looks.
func TestAReviewLetsNothingGo(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "web:1", ""))
	b.target.edit("shop", "web", stopped)
	b.must(b.store.Update(func(tx *state.Tx) error {
		return tx.PutHold(&state.Hold{Stack: "shop", Project: "shop", Run: "backup", Stopped: true, Containers: []string{b.target.id("shop", "web")}})
	}))
	b.ends(b.reviewed(b.pull(state.PullOpened, b.proposed(b.app("shop", "web:2", "")))), state.RunSucceeded)
	b.must(b.store.View(func(tx *state.Tx) error {
		_, err := tx.Hold("shop")
		return err
	}))
}

func TestAReviewIsRetriedUntilItsPullRequestHasEnded(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "web:1", ""))
	first := b.ends(b.reviewed(b.pull(state.PullOpened, b.proposed(b.app("shop", "web:2", "")))), state.RunSucceeded)
	again, err := b.queue.Retry(t.Context(), first.ID, by("ada", "once more"))
	b.must(err)
	if got := b.ends(again, state.RunSucceeded); got.Kind != state.KindReview || got.Review.Pull != 7 || got.Changes.Empty() {
		t.Errorf("the second is %+v", got)
	}
	b.ignored(b.pull(state.PullClosed, ""), "was closed")
	if got := b.run(again.ID); got.Review.Ended != state.EndedClosed {
		t.Errorf("the newest is %+v", got.Review)
	}
	if _, err := b.queue.Retry(t.Context(), again.ID, by("ada", "")); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after the end: %v", err)
	}
}
