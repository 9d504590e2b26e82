package queue

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/state"
)

// removed are a folder's files as a commit takes them away.
func (b *bench) removed(folder string) gittest.Files {
	files := b.app(folder, "", "")
	for name := range files {
		files[name] = gittest.Removed()
	}
	return files
}

// and puts the files of several together.
func and(all ...gittest.Files) gittest.Files {
	out := gittest.Files{}
	for _, files := range all {
		maps.Copy(out, files)
	}
	return out
}

// looked waits until no pull request is to be looked at, and nothing runs.
func (b *bench) looked() {
	b.t.Helper()
	b.eventually("looked at", func() bool {
		waits := false
		b.must(b.store.View(func(tx *state.Tx) error {
			for _, t := range b.templates {
				kept, err := tx.Template(t.Name)
				if err != nil {
					return err
				}
				waits = waits || slices.ContainsFunc(kept.Pulls, func(p state.Pull) bool { return p.Waiting })
			}
			return nil
		}))
		return !waits
	})
	b.idle()
}

// reviewsOf delivers a pull request's event and returns the reviews that come
// of it, by stack, when they are over.
func (b *bench) reviewsOf(event state.Event) map[string]*state.Run {
	b.t.Helper()
	before := len(b.allRuns())
	if r := b.accept(event); r.Ignored != "" || len(r.Runs) != 0 || !r.Pending {
		b.t.Fatalf("the receipt is %+v", r)
	}
	b.looked()
	out := map[string]*state.Run{}
	for _, run := range b.allRuns()[before:] {
		if run.Kind != state.KindReview || out[run.Stack] != nil {
			b.t.Fatalf("a second run of %s: %s", run.Stack, run.Kind)
		}
		out[run.Stack] = run
	}
	return out
}

func (b *bench) reviewed1(event state.Event, stack string, want state.RunStatus) *state.Run {
	b.t.Helper()
	got := b.reviewsOf(event)
	if len(got) != 1 || got[stack] == nil {
		b.t.Fatalf("reviews of %v, want one of %s", slices.Collect(maps.Keys(got)), stack)
	}
	if got[stack].Status != want {
		b.t.Fatalf("the review is %s, want %s:\n%s", got[stack].Status, want, b.story(got[stack]))
	}
	return got[stack]
}

// deployedFolders serves a monorepo whose folders are deployed.
func deployedFolders(t *testing.T, folders []string, files func(*bench) gittest.Files) *bench {
	t.Helper()
	b := monorepo(t, folders...)
	for _, tpl := range b.templates {
		tpl.Provider = "gitea"
		made := tpl.Make
		tpl.Make = func(name, directory string) (*pipeline.Stack, error) {
			s, err := made(name, directory)
			if err == nil {
				s.Provider, s.PlanForks = "gitea", tpl.PlanForks
			}
			return s, err
		}
	}
	b.commit("all", files(b))
	b.serve()
	b.eventually("deployed", func() bool { return len(b.allRuns()) > 0 })
	b.idle()
	return b
}

func TestAPullRequestIsPlannedForTheFoldersThatItConcerns(t *testing.T) {
	b := deployedFolders(t, []string{"apps"}, func(b *bench) gittest.Files {
		return and(b.fifty("app:1"), b.app("apps/app31", "app:1", "paths: [\"shared/**\"]\n"), gittest.Files{
			"base/web.yaml":           gittest.Text("services: {web: {image: \"app:1\"}}\n"),
			"apps/app02/compose.yaml": gittest.Text("services: {web: {extends: {file: ../../base/web.yaml, service: web}}}\n"),
		})
	})
	applies, _ := b.target.counts()
	run := b.reviewed1(b.pull(state.PullOpened, b.proposed(b.app("apps/app07", "app:2", ""))), "app07", state.RunSucceeded)
	b.says(planOf(t, run.Changes), `"action":"recreate","why":"image app:1 → app:2`)
	if r := run.Review; r.Pull != 7 || r.Folder == nil || r.Folder.Directory != "apps/app07" || r.Folder.Change != "" {
		t.Errorf("review %+v", r)
	}
	// Another push to it concerns others, and not that one any more.
	got := b.reviewsOf(b.pull(state.PullUpdated, b.proposed(gittest.Files{
		"shared/limits": gittest.Text("2\n"), "base/web.yaml": gittest.Text("services: {web: {image: \"app:3\"}}\n"), "README": gittest.Text("z\n"),
	})))
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"app02", "app31"}) {
		t.Fatalf("reviews of %v", names)
	}
	b.says(planOf(t, got["app02"].Changes), "app:1 → app:3")
	if got["app31"].Status != state.RunUnchanged {
		t.Errorf("a shared file that nothing reads: %s", got["app31"].Status)
	}
	if old := b.run(run.ID).Review; old.Ended != state.EndedDropped {
		t.Errorf("the one that is not concerned any more: %+v", old)
	}
	if left := b.stack("app07").Proposals; len(left) != 0 {
		t.Errorf("it remembers %+v", left)
	}
	if none := b.reviewsOf(b.pull(state.PullUpdated, b.proposed(gittest.Files{"README": gittest.Text("q\n")}))); len(none) != 0 {
		t.Errorf("no folder is concerned: %v", none)
	}
	if after, _ := b.target.counts(); after != applies {
		t.Error("it applied something")
	}
}

func TestAPullRequestAddsRemovesAndRenamesFolders(t *testing.T) {
	b := deployedFolders(t, []string{"apps", "tools"}, func(b *bench) gittest.Files {
		return and(b.app("apps/a", "app:1", ""), b.app("apps/b", "app:1", ""), b.app("apps/m", "app:1", ""))
	})
	// Added.
	run := b.reviewed1(b.pull(state.PullOpened, b.proposed(b.app("apps/new", "app:1", ""))), "new", state.RunSucceeded)
	b.says(planOf(t, run.Changes), `"name":"web","action":"create"`, "folder apps/new is new on main: it becomes stack new, project new; this is its first release")
	// Removed: what the look at the branch says once it is gone is what is said.
	run = b.reviewed1(b.pull(state.PullUpdated, b.proposed(b.removed("apps/a"))), "a", state.RunSucceeded)
	said := "folder apps/a is no longer on main: what runs of it was left alone; bring the folder back, or stop project a by hand"
	b.says(planOf(t, run.Changes), said, `{"name":"db","action":"keep"},{"name":"web","action":"keep"}`)
	if gone := b.stack("new").Proposals; len(gone) != 0 {
		t.Errorf("the folder that is not added any more: %+v", gone)
	}
	// Renamed, and one that goes to the other template under its name.
	renamed := b.app("apps/c", "app:1", "")
	maps.Copy(renamed, b.app("tools/m", "app:2", ""))
	got := b.reviewsOf(b.pull(state.PullUpdated, b.proposed(and(renamed, b.removed("apps/a"), b.removed("apps/m")))))
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"a", "c", "m"}) {
		t.Fatalf("reviews of %v", names)
	}
	b.says(planOf(t, got["a"].Changes), "apps/c has its files: a folder of another name is another stack")
	b.says(planOf(t, got["c"].Changes), "it has the files of apps/a, which goes", "c starts beside what runs of apps/a, with volumes of its own", `"action":"create"`)
	b.says(planOf(t, got["m"].Changes), "stack m goes on in folder tools/m; it was in apps/m", "app:1 → app:2")
	if c := got["m"].Review.Folder; c.Change != state.FolderMoved {
		t.Errorf("%+v", c)
	}
	// The merge makes of it what was said.
	b.repo.Reset("main", b.repo.Tip("topic"))
	merged := b.pull(state.PullMerged, b.repo.Tip("topic"))
	merged.PullRequest.MergeCommit = b.repo.Tip("topic")
	b.ignored(merged, "pull request 7 was merged")
	b.tell(b.repo.Tip("main"))
	b.eventually("known", func() bool { return slices.Contains(b.queue.Names(), "c") })
	b.idle()
	if w := b.stack("a").Warning; w != said {
		t.Errorf("the look at the branch says %q", w)
	}
	for stack, image := range map[string]string{"a": "app:1", "c": "app:1", "m": "app:2"} {
		if got := b.target.runs(stack, "web"); got != image {
			t.Errorf("%q runs in %s", got, stack)
		}
	}
	for _, stack := range []string{"c", "m"} {
		if r := b.run(got[stack].ID).Review; r.Ended != state.EndedMerged || r.Outcome == nil || r.Outcome.Status != state.RunSucceeded {
			t.Errorf("the outcome of %s: %+v", stack, r)
		}
	}
	if r := b.run(got["a"].ID).Review; r.Ended != state.EndedMerged || len(b.stack("a").Proposals) != 0 {
		t.Errorf("the folder that went: %+v, remembered %+v", r, b.stack("a").Proposals)
	}
	// It comes back.
	run = b.reviewed1(b.pull(state.PullOpened, b.proposed(b.app("apps/a", "app:4", ""))), "a", state.RunSucceeded)
	b.says(planOf(t, run.Changes), "it comes back", "app:1 → app:4")
}

func TestAPullRequestIsToldOfNamesThatAreRefused(t *testing.T) {
	b := deployedFolders(t, []string{"apps", "tools"}, func(b *bench) gittest.Files { return b.app("apps/shop", "app:1", "") })
	fixed, err := b.templates[0].Make("named", "elsewhere")
	b.must(err)
	b.stacks = []*pipeline.Stack{fixed}
	b.must(b.queue.Reload(b.stacks, 4, b.templates...))
	got := b.reviewsOf(b.pull(state.PullOpened, b.proposed(and(b.app("tools/shop", "app:9", ""), b.app("apps/named", "app:9", ""),
		b.app("apps/twin", "app:9", ""), b.app("tools/twin", "app:9", ""), b.app("tools/Loud", "app:9", ""), b.app("tools/fine", "app:1", "")))))
	for stack, says := range map[string]string{
		"tools/shop": "folder tools/shop of tools/* and folder apps/shop of apps/* have the same name",
		"apps/named": "folder apps/named of apps/* and stack named of deployer.yaml have the same name",
		"apps/twin":  "folder apps/twin of apps/* and folder tools/twin of tools/* have the same name",
		"tools/twin": "folder tools/twin of tools/* and folder apps/twin of apps/* have the same name",
		"tools/Loud": "folder tools/Loud of tools/* cannot be a stack",
	} {
		run := got[stack]
		if run == nil {
			t.Fatalf("nothing is said of %s", stack)
		}
		if run.Status != state.RunFailed || run.Hint != refusedHint {
			t.Errorf("%s is %s: %s", stack, run.Status, run.Hint)
		}
		b.says(run.Error, says)
		if _, err := b.queue.Retry(t.Context(), run.ID, by("ada", "")); err == nil {
			t.Errorf("a retry of %s: %v", stack, err)
		}
	}
	if len(got) != 7 || got["named"] == nil || got["fine"].Status != state.RunSucceeded {
		t.Errorf("reviews of %v", slices.Sorted(maps.Keys(got)))
	}
	// The name is free once the other folder has gone.
	b.accept(b.event(b.commit("away", b.removed("apps/shop"))))
	b.eventually("free", func() bool { return len(b.stack("tools/shop").Proposals) == 0 })
	b.looked()
	if held := b.stack("tools/shop").Proposals; len(held) != 0 {
		t.Errorf("it is refused still: %+v", held)
	}
	if s := b.stack("shop").Proposals; len(s) != 1 {
		t.Fatalf("proposals of shop: %+v", s)
	}
	// Closed: all of it is over, also what is no stack.
	newest := map[string]string{}
	for _, stack := range []string{"shop", "fine", "tools/Loud", "apps/named"} {
		newest[stack] = b.stack(stack).Proposals[0].Run
	}
	b.ignored(b.pull(state.PullClosed, ""), "pull request 7 was closed; its reviews are over")
	for stack, run := range newest {
		if r := b.run(run).Review; r.Ended != state.EndedClosed || len(b.stack(stack).Proposals) != 0 {
			t.Errorf("%s goes on: %+v", stack, r)
		}
	}
	b.must(b.store.View(func(tx *state.Tx) error {
		kept, err := tx.Template("tools/*")
		if err == nil && len(kept.Pulls) != 0 {
			t.Errorf("left are %+v", kept.Pulls)
		}
		return err
	}))
}

// What a base has got since is not the pull request's, also where no forge
// makes the merge.
func TestAPullRequestThatIsBehindConcernsWhatItChanges(t *testing.T) {
	b := deployedFolders(t, []string{"apps"}, func(b *bench) gittest.Files {
		return and(b.app("apps/a", "app:1", ""), b.app("apps/b", "app:1", ""), b.app("apps/c", "app:1", ""))
	})
	head := b.proposed(b.app("apps/a", "app:2", ""))
	b.tell(b.commit("base", and(b.app("apps/b", "app:5", ""), b.removed("apps/c"), b.app("apps/d", "app:1", ""))))
	run := b.reviewed1(b.pull(state.PullOpened, head), "a", state.RunSucceeded)
	if !run.Review.Behind {
		t.Errorf("review %+v", run.Review)
	}
	// The base moves in its folder: stale, and planned again.
	before := len(b.allRuns())
	b.tell(b.commit("aside", gittest.Files{"apps/a/aside": gittest.Text("1")}))
	if got := b.run(run.ID).Review; !got.Stale {
		t.Errorf("the review is %+v", got)
	}
	var kinds []string
	for _, r := range b.allRuns()[before:] {
		kinds = append(kinds, string(r.Kind)+" "+r.Stack)
	}
	slices.Sort(kinds)
	if want := []string{"deploy a", "review a"}; !slices.Equal(kinds, want) {
		t.Errorf("the push made %v, want %v", kinds, want)
	}
}

func TestAPullRequestThatWasTakenSurvivesARestart(t *testing.T) {
	b := deployedFolders(t, []string{"apps"}, func(b *bench) gittest.Files {
		return and(b.app("apps/a", "app:1", ""), b.app("apps/b", "app:1", ""))
	})
	b.stop()
	b.renew()
	old := b.pull(state.PullOpened, b.proposed(b.app("apps/a", "app:2", "")))
	b.accept(old)
	event := b.pull(state.PullUpdated, b.proposed(b.app("apps/b", "app:3", "")))
	b.accept(event) // nothing serves: the process dies now
	b.renew()
	if got := b.accept(event); got.Ignored == "" {
		t.Errorf("a repeated delivery is taken again: %+v", got)
	}
	before := len(b.allRuns())
	b.serve()
	b.looked()
	runs := b.allRuns()[before:]
	if len(runs) != 1 || runs[0].Stack != "b" || runs[0].Trigger.Delivery != event.Delivery || runs[0].Trigger.Actor != "dev" {
		t.Errorf("reviews of %v: the newest counts alone", stacksOf(runs))
	}
}

// News that come while it is looked at are for the next look.
func TestAnOlderLookSaysNothing(t *testing.T) {
	b := deployedFolders(t, []string{"apps"}, func(b *bench) gittest.Files { return b.app("apps/a", "app:1", "") })
	b.stop()
	b.renew()
	b.accept(b.pull(state.PullOpened, b.proposed(b.app("apps/a", "app:2", ""))))
	branch := b.queue.setup.Load().origin.branches[0]
	waiting, err := b.queue.waitingPulls(branch)
	b.must(err)
	b.accept(b.pull(state.PullUpdated, b.proposed(b.app("apps/a", "app:3", ""))))
	before := len(b.allRuns())
	b.must(b.queue.lookAtPull(t.Context(), branch, waiting[0]))
	if got := b.allRuns()[before:]; len(got) != 0 {
		t.Errorf("it queued %v", stacksOf(got))
	}
	b.must(b.queue.lookAtPulls(t.Context(), branch))
	if got := b.allRuns()[before:]; len(got) != 1 {
		t.Errorf("it queued %v", stacksOf(got))
	}
	b.ignored(b.pull(state.PullClosed, ""), "was closed")
	b.must(b.queue.lookAtPull(t.Context(), branch, waiting[0]))
	if got := b.allRuns()[before:]; len(got) != 1 {
		t.Errorf("after its end it queued %v", stacksOf(got))
	}
}

func TestAForksFoldersArePlannedWithoutASecret(t *testing.T) {
	b := deployedFolders(t, []string{"apps"}, func(b *bench) gittest.Files {
		return and(b.app("apps/a", "app:1", ""), gittest.Files{"apps/a/.env.production.example": gittest.Text("PASSWORD=change-me\n")})
	})
	fork := func(files gittest.Files) state.Event {
		event := b.pull(state.PullUpdated, b.proposed(files))
		event.PullRequest.Fork = true
		return event
	}
	evil := gittest.Files{
		"apps/a/compose.yaml":           gittest.Text("services: {web: {image: \"evil:${PASSWORD}\"}}\n"),
		"apps/new/compose.yaml":         gittest.Text("services: {web: {image: \"evil:1\"}}\n"),
		"apps/new/" + pipeline.FileName: gittest.Text("preflight: [{check: http, url: 'http://127.0.0.1:1/'}]\n"),
	}
	b.ignored(fork(evil), "another repository", "forge.forks")

	b.templates[0].PlanForks = true
	made := b.templates[0].Make
	b.templates[0].Make = func(name, directory string) (*pipeline.Stack, error) { // whoever decrypts fails
		s, err := made(name, directory)
		s.Keys.AgeKeyFiles = []string{filepath.Join(b.dir, "no-such.key")}
		return s, err
	}
	b.must(b.queue.Reload(b.stacks, 4, b.templates...))
	b.idle()
	b.target.on(func(_ context.Context, c call) error {
		if c.op != "containers" {
			t.Errorf("the target is asked: %s", c.op)
		}
		return nil
	})
	got := b.reviewsOf(fork(and(evil, b.removed("apps/gone"))))
	if len(got) != 2 || got["a"].Status != state.RunSucceeded || got["new"].Status != state.RunSucceeded {
		t.Fatalf("reviews: %s", told(t, got["new"]))
	}
	b.says(planOf(t, got["a"].Changes), "evil:change-me", "stand for the real ones")
	b.says(planOf(t, got["new"].Changes), "evil:1", `"action":"create"`, "folder apps/new is new on main")
	for _, run := range got {
		record, err := json.Marshal(run)
		b.must(err)
		b.clean("the run", record)
		b.clean("the log", []byte(b.log(run)))
	}
}
