package queue

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/state"
)

// monorepo makes every folder of these a stack of the repository. The stacks
// of the bench are those that deployer.yaml names.
func monorepo(t *testing.T, folders ...string) *bench {
	t.Helper()
	b := newBench(t, "named")
	mirror, like := b.stacks[0].Mirror, *b.stacks[0]
	b.stacks = nil
	for _, folder := range folders {
		b.templates = append(b.templates, &Template{
			Name: folder + "/*", Repository: "infra", Branch: "main", Folder: folder, Mirror: mirror,
			Make: func(name, directory string) (*pipeline.Stack, error) {
				if strings.ToLower(name) != name {
					return nil, fmt.Errorf("%q is no name", name)
				}
				s := like
				s.Name, s.Directory, s.Project, s.Claim = name, directory, name, name
				s.Roots = pipeline.NewRoots(b.dir, path.Join(b.dir, "tmpfs"), name)
				return &s, nil
			},
		})
	}
	b.renew()
	return b
}

// fifty are the files of 50 folders.
func (b *bench) fifty(image string) gittest.Files {
	files := gittest.Files{"shared/limits": gittest.Text("1\n"), "README": gittest.Text("x\n")}
	for i := range 50 {
		maps.Copy(files, b.app(fmt.Sprintf("apps/app%02d", i), image, ""))
	}
	return files
}

// idle waits until nothing waits or runs, and no push is to be looked at.
func (b *bench) idle() {
	b.t.Helper()
	b.eventually("idle", func() bool {
		pending := 0
		b.must(b.store.View(func(tx *state.Tx) error {
			for _, t := range b.templates {
				kept, err := tx.Template(t.Name)
				if err != nil {
					return err
				}
				pending += len(kept.Pending)
			}
			return nil
		}))
		return pending == 0 && len(b.queued()) == 0
	})
}

func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	for late := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			b.t.Fatalf("it never was %s", what)
		}
	}
}

// tell delivers the push of a commit and waits until all of it is over.
func (b *bench) tell(commit string) {
	b.t.Helper()
	if r := b.accept(b.event(commit)); r.Ignored != "" || len(r.Runs) != 0 || !r.Pending {
		b.t.Fatalf("the receipt is %+v", r)
	}
	b.idle()
}

// allRuns are those that there are, the oldest first.
func (b *bench) allRuns() []*state.Run {
	b.t.Helper()
	var runs []*state.Run
	b.must(b.store.View(func(tx *state.Tx) error {
		var err error
		runs, _, err = tx.Runs(state.RunQuery{Limit: 1000})
		return err
	}))
	slices.Reverse(runs)
	return runs
}

func stacksOf(runs []*state.Run) (names []string) {
	for _, r := range runs {
		names = append(names, r.Stack)
	}
	slices.Sort(names)
	return names
}

// spoken is what a log says, for any goroutine.
type spoken struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (l *spoken) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(line)
}

func (l *spoken) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

func TestFiftyFoldersOnePushOneRun(t *testing.T) {
	b := monorepo(t, "apps")
	var atOnce, most atomic.Int32
	b.target.hook = func(_ context.Context, c call) error {
		if c.op == "apply" {
			most.Store(max(most.Load(), atOnce.Add(1)))
			time.Sleep(2 * time.Millisecond)
			atOnce.Add(-1)
		}
		return nil
	}
	b.commit("all", b.fifty("app:1"))
	b.serve()
	b.eventually("deployed", func() bool { return len(b.allRuns()) == 50 })
	b.idle()
	if n := most.Load(); n < 2 || n > 4 {
		t.Errorf("%d runs at once, want up to the 4 workers", n)
	}
	if got := len(b.queue.Names()); got != 50 {
		t.Fatalf("%d stacks", got)
	}
	for _, step := range []struct {
		what  string
		files gittest.Files
		want  []string
	}{
		{"one folder", b.app("apps/app07", "app:2", ""), []string{"app07"}},
		{"none", gittest.Files{"README": gittest.Text("y\n")}, nil},
		{"another one", b.app("apps/app31", "app:2", "paths: [\"shared/**\"]\n"), []string{"app31"}},
		{"a shared file by paths", gittest.Files{"shared/limits": gittest.Text("2\n")}, []string{"app31"}},
		{"a file that will be included", gittest.Files{
			"base/web.yaml":           gittest.Text("services: {web: {image: \"app:3\"}}\n"),
			"apps/app02/compose.yaml": gittest.Text("services: {web: {extends: {file: ../../base/web.yaml, service: web}}}\n"),
		}, []string{"app02"}},
		{"a file that the last resolve read", gittest.Files{"base/web.yaml": gittest.Text("services: {web: {image: \"app:4\"}}\n")}, []string{"app02"}},
		{"two at once", func() gittest.Files {
			f := b.app("apps/app11", "app:5", "")
			maps.Copy(f, b.app("apps/app12", "app:5", ""))
			return f
		}(), []string{"app11", "app12"}},
	} {
		before := len(b.allRuns())
		b.tell(b.commit(step.what, step.files))
		runs := b.allRuns()[before:]
		if got := stacksOf(runs); !slices.Equal(got, step.want) {
			t.Errorf("%s: runs of %v, want %v", step.what, got, step.want)
		}
		for _, r := range runs {
			// A shared file that nothing reads leaves the release as it is.
			if r.Status != state.RunSucceeded && r.Status != state.RunUnchanged || r.Trigger.Kind != state.TriggerWebhook || r.Trigger.Actor != "dev" {
				t.Error(b.story(r))
			}
		}
	}
	for _, name := range b.queue.Names() {
		if s := b.stack(name); s.Sync() != state.SyncInSync || s.Head != b.repo.Tip("main") || s.Judged.Commit != s.Head {
			t.Errorf("%s is %s, at %s, judged at %s", name, s.Sync(), s.Head, s.Judged.Commit)
		}
	}
}

func TestFoldersAreFollowed(t *testing.T) {
	b := monorepo(t, "apps")
	b.commit("one", b.app("apps/a", "app:1", ""))
	b.serve()
	b.eventually("known", func() bool { return len(b.queue.Names()) == 1 })
	b.idle()

	b.tell(b.commit("added", b.app("apps/b", "app:1", "")))
	if got := b.queue.Names(); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("stacks %v", got)
	}
	if got := b.target.runs("b", "web"); got != "app:1" {
		t.Errorf("%q runs in b", got)
	}

	gone := gittest.Files{}
	for name := range b.app("apps/a", "", "") {
		gone[name] = gittest.Removed()
	}
	renamed := maps.Clone(gone)
	maps.Copy(renamed, b.app("apps/c", "app:1", ""))
	before := len(b.allRuns())
	b.tell(b.commit("renamed", renamed))
	if got := b.queue.Names(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Fatalf("stacks %v", got)
	}
	if got := stacksOf(b.allRuns()[before:]); !slices.Equal(got, []string{"c"}) {
		t.Errorf("the push ran %v", got)
	}
	b.says(b.stack("a").Warning, "folder apps/a is no longer on main", "left alone", "project a")
	if got := b.target.runs("a", "web"); got != "app:1" {
		t.Errorf("%q runs in a: its containers were touched", got)
	}

	// A restart knows them before it asks the Git server.
	b.stop()
	b.renew()
	if got := b.queue.Names(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Fatalf("after a restart: stacks %v", got)
	}
	b.serve()
	before = len(b.allRuns())
	b.tell(b.commit("back", b.app("apps/a", "app:2", "")))
	if got := stacksOf(b.allRuns()[before:]); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the push ran %v", got)
	}
	if s := b.stack("a"); s.Warning != "" || b.target.runs("a", "web") != "app:2" {
		t.Errorf("it is back and says %q, runs %s", s.Warning, b.target.runs("a", "web"))
	}
}

func TestCollisionsNameBoth(t *testing.T) {
	b := monorepo(t, "apps", "tools")
	fixed, err := b.templates[0].Make("named", "elsewhere")
	b.must(err)
	b.stacks = []*pipeline.Stack{fixed}
	b.renew()
	said := &spoken{}
	b.queue.log = slog.New(slog.NewTextHandler(said, nil))
	b.commit("one", b.app("apps/shop", "app:1", ""))
	b.serve()
	b.eventually("known", func() bool { return slices.Contains(b.queue.Names(), "shop") })
	b.idle()

	files := b.app("tools/shop", "app:9", "")          // the first one keeps the name
	maps.Copy(files, b.app("apps/named", "app:9", "")) // deployer.yaml's keeps it
	maps.Copy(files, b.app("apps/twin", "app:9", ""))  // neither
	maps.Copy(files, b.app("tools/twin", "app:9", ""))
	maps.Copy(files, b.app("tools/Loud", "app:9", ""))
	maps.Copy(files, b.app("tools/fine", "app:1", ""))
	commit := b.commit("two", files)
	b.accept(b.event(commit))
	b.eventually("deployed", func() bool { return b.target.runs("fine", "web") == "app:1" })
	if got := b.queue.Names(); !slices.Equal(got, []string{"fine", "named", "shop"}) {
		t.Errorf("stacks %v", got)
	}
	if got := b.target.runs("shop", "web"); got != "app:1" {
		t.Errorf("%s runs in shop", got)
	}
	b.says(said.text(),
		"folder tools/shop of tools/* and folder apps/shop of apps/* have the same name",
		"folder apps/named of apps/* and stack named of deployer.yaml have the same name",
		"folder apps/twin of apps/* and folder tools/twin of tools/* have the same name",
		"folder tools/Loud of tools/* cannot be a stack")
	b.says(b.stack("shop").Warning, "tools/shop", "apps/shop")
	b.says(b.stack("named").Warning, "apps/named", "stack named of deployer.yaml")

	// A project that is claimed twice.
	taken := *fixed
	taken.Name, taken.Claim, taken.Project = "other", "late", "late"
	b.stacks = append(b.stacks, &taken)
	b.must(b.queue.Reload(b.stacks, 4, b.templates...))
	b.accept(b.event(b.commit("three", b.app("apps/late", "app:1", ""))))
	b.eventually("refused", func() bool { return strings.Contains(said.text(), "claim the same project") })
	b.says(said.text(), "folder apps/late of apps/* and stack other of deployer.yaml claim the same project, late")

	// Once it is renamed there is nothing left to say.
	away := gittest.Files{}
	for name := range b.app("tools/shop", "", "") {
		away[name] = gittest.Removed()
	}
	b.accept(b.event(b.commit("four", away)))
	b.eventually("settled", func() bool { return b.stack("shop").Warning == "" })
}

func TestAPushThatWasTakenSurvivesARestart(t *testing.T) {
	b := monorepo(t, "apps")
	b.commit("one", b.app("apps/a", "app:1", ""))
	b.serve()
	b.eventually("known", func() bool { return len(b.allRuns()) == 1 })
	b.idle()
	b.stop()
	b.renew()
	event := b.event(b.commit("two", b.app("apps/a", "app:2", "")))
	b.accept(event) // nothing serves: the process dies now
	b.renew()
	if got := b.accept(event); got.Ignored == "" {
		t.Errorf("a repeated delivery is taken again: %+v", got)
	}
	b.serve()
	b.eventually("deployed", func() bool { return b.target.runs("a", "web") == "app:2" })
	b.idle()
	runs := b.allRuns()
	if last := runs[len(runs)-1]; len(runs) != 2 || last.Trigger.Kind != state.TriggerWebhook || last.Trigger.Delivery != event.Delivery {
		t.Errorf("%d runs, the last by %+v", len(runs), last.Trigger)
	}
}

func TestARedeliveryTriesAgainWhatFailedBeforeAnyChange(t *testing.T) {
	b := monorepo(t, "apps").serve()
	b.target.lose("app:1")
	event := b.event(b.commit("one", b.app("apps/a", "app:1", "")))
	b.accept(event)
	b.eventually("failed", func() bool { r := b.allRuns(); return len(r) == 1 && r[0].Status == state.RunFailed })
	b.target.find("app:1")
	b.accept(event)
	b.eventually("tried again", func() bool { r := b.allRuns(); return len(r) == 2 && r[1].Status == state.RunSucceeded })
}

func TestPollOfABranchFindsWhatNoWebhookTold(t *testing.T) {
	b := monorepo(t, "apps")
	b.templates[0].Poll = 20 * time.Millisecond
	b.renew()
	b.commit("one", b.app("apps/a", "app:1", ""))
	b.serve()
	b.eventually("deployed", func() bool { return b.target.runs("a", "web") == "app:1" })
	b.commit("two", b.app("apps/b", "app:1", ""))
	b.eventually("found", func() bool { return b.target.runs("b", "web") == "app:1" })
	b.idle()
	if got := stacksOf(b.allRuns()); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("runs of %v", got)
	}
}
