package queue

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// renamed reloads the queue with the first stack under another name, as
// deployer.yaml says it.
func (b *bench) renamed(to string, change func(*pipeline.Stack)) error {
	now := *b.stacks[0]
	now.RenamedFrom, now.Shelf, now.Name = now.Name, now.ShelfName(), to
	change(&now)
	return b.queue.Reload(append([]*pipeline.Stack{&now}, b.stacks[1:]...), 4)
}

// letGo waits until the queue has let go of the runs that are over.
func (b *bench) letGo() {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		b.queue.mu.Lock()
		n := len(b.queue.running)
		b.queue.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d runs go on", n)
		}
	}
}

func same(*pipeline.Stack) {}

func TestRenamedStackGoesOnWithItsHistory(t *testing.T) {
	b := newBench(t)
	b.serve()
	first := b.deployed("one", b.app("shop", "app:1", ""))
	_, changed := b.target.counts()
	b.letGo()
	b.must(b.renamed("store", same))
	if s := b.stack("store"); s.Live == nil || s.Live.Run != first.ID || s.Shelf != "shop" {
		t.Fatalf("the stack is %+v", s)
	}
	run := b.ends(b.push("the same", b.app("shop", "app:1", "")), state.RunUnchanged) // in its folder, which has the old name still
	if run.Stack != "store" {
		t.Errorf("the run is of %s", run.Stack)
	}
	if _, now := b.target.counts(); now != changed {
		t.Errorf("containers changed %d times", now-changed)
	}
	b.ends(b.push("two", b.app("shop", "app:2", "")), state.RunSucceeded)
	if len(b.target.kept) != 1 || len(b.target.kept["shop"]) == 0 {
		t.Errorf("images are kept as %v", b.target.kept)
	}
	b.must(b.queue.Reload(b.queue.setup.Load().origin.stacks, 4)) // once more changes nothing
	if s := b.stack("store"); s.Live == nil || s.Live.Run == first.ID {
		t.Errorf("after another reload the stack is %+v", s)
	}
}

func TestRenameThatCannotBeChangesNothing(t *testing.T) {
	b := newBench(t, "shop", "blog")
	reached, let := b.target.hold(applying("app:1"))
	b.serve()
	files := b.app("shop", "app:1", "")
	maps.Copy(files, b.app("blog", "app:2", ""))
	runs := b.accept(b.event(b.commit("one", files))).Runs
	b.await(reached)
	refused := func(what string, err error, says, hint string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(pipeline.Hint(err), hint) {
			t.Errorf("%s: %v; %s", what, err, pipeline.Hint(err))
		}
		if b.queue.stacks()["shop"] == nil || b.queue.stacks()["store"] != nil {
			t.Errorf("%s: the stacks changed", what)
		}
	}
	refused("a run is under way", b.renamed("store", same), "is under way", "reload again")
	let()
	for _, run := range runs {
		b.ends(run, state.RunSucceeded)
	}
	b.letGo()
	refused("another project", b.renamed("store", func(s *pipeline.Stack) { s.Project = "store" }), "runs as compose project shop", "project: shop")
	blog := *b.stacks[1]
	blog.RenamedFrom, blog.Name = "shop", "blog"
	err := b.queue.Reload([]*pipeline.Stack{&blog}, 4)
	refused("one that was deployed", err, "was deployed already", "take renamed_from out")

	b.must(b.renamed("store", same))
	other := *b.stacks[0] // a new stack of the old name
	other.Project, other.Claim = "other", "other"
	store := *b.queue.stacks()["store"]
	err = b.queue.Reload([]*pipeline.Stack{&store, &other}, 4)
	if err == nil || !strings.Contains(err.Error(), "stack store, which had the name shop once, keeps its files under it: stack shop cannot have it") {
		t.Errorf("a new stack of the old name: %v", err)
	}
}

// Renamed without a word, the stack is new: what runs as its project was
// deployed as another one.
func TestStackThatWasRenamedWithoutAWordIsNotDeployed(t *testing.T) {
	b := newBench(t)
	b.serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	b.target.edit("shop", "web", func(c *project.Container) {
		c.Labels = map[string]string{"com.docker.compose.project.working_dir": b.stacks[0].Roots.Data}
	})
	now := *b.stacks[0]
	now.Name, now.Roots = "store", pipeline.NewRoots(b.dir, filepath.Join(b.dir, "tmpfs"), "store")
	configured := map[string]bool{"store": true}
	now.Configured = func(name string) bool { return configured[name] }
	b.must(b.queue.Reload([]*pipeline.Stack{&now}, 4))
	run := b.ends(b.push("two", b.app("shop", "app:2", "")), state.RunFailed)
	found := false
	for _, s := range run.Stage(state.StagePreflight).Steps {
		found = found || s.Name == "project" && s.Status == state.StepFailed &&
			strings.Contains(s.Message, "was deployed as stack shop, which is no longer") && strings.Contains(s.Hint, "renamed_from: shop")
	}
	if !found {
		t.Errorf("it ended with %s; %s", run.Error, run.Hint)
	}
	configured["shop"] = true // in another environment, say: then they share the project
	b.ends(b.push("three", b.app("shop", "app:3", "")), state.RunSucceeded)
}
