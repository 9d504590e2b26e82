package queue

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/project"
	"deployer/state"
)

// mounting is a stack whose web service mounts a file of a submodule at lib.
func (b *bench) mounting(lib string) gittest.Files {
	files := b.app("shop", "app:1", "")
	files["shop/compose.yaml"] = gittest.Text("services:\n  web:\n    image: app:1\n    environment: {PASSWORD: \"${PASSWORD}\"}\n    volumes: ['../lib/app.conf:/app.conf:ro']\n")
	files[".gitmodules"] = gittest.Modules(map[string]string{"lib": "../lib.git"})
	files["lib"] = gittest.Submodule(lib)
	return files
}

func bumped(lib string) gittest.Files { return gittest.Files{"lib": gittest.Submodule(lib)} }

// moduleMirrors are the mirrors of submodules on disk.
func (b *bench) moduleMirrors() (out []string) {
	b.t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, "mirror.submodules"))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// A delivery names a submodule as if it were a file.
func TestABumpOfASubmoduleConcernsWhoReadsIt(t *testing.T) {
	b := newBench(t, "shop", "other").serve()
	lib := b.repo.NewSibling("lib")
	first := lib.Commit("main", "one", gittest.Files{"app.conf": gittest.Text("one")})
	files := b.mounting(first)
	for name, f := range b.app("other", "app:1", "") {
		files[name] = f
	}
	receipt := b.accept(b.event(b.commit("one", files)))
	for _, run := range receipt.Runs {
		b.ends(run, state.RunSucceeded)
	}
	event := b.event(b.commit("two", bumped(lib.Commit("main", "two", gittest.Files{"app.conf": gittest.Text("two")}))))
	event.Before, event.Paths, event.PathsComplete = receipt.Runs[0].Commit, []string{"lib"}, true
	event.Before = b.stack("shop").Judged.Commit
	receipt = b.accept(event)
	if len(receipt.Runs) != 1 || receipt.Runs[0].Stack != "shop" {
		t.Fatalf("it queued %+v, ignored %q", receipt.Runs, receipt.Ignored)
	}
	run := b.ends(receipt.Runs[0], state.RunSucceeded)
	b.says(planOf(t, run.Changes), `"name":"web","action":"recreate"`)
}

// What changed in a submodule beside what is read of it changes nothing.
func TestASubmoduleIsComparedByItsContent(t *testing.T) {
	b := newBench(t).serve()
	lib := b.repo.NewSibling("lib")
	b.deployed("one", b.mounting(lib.Commit("main", "one", gittest.Files{"app.conf": gittest.Text("one")})))
	next := lib.Commit("main", "two", gittest.Files{"README": gittest.Text("new")})
	run := b.ends(b.push("two", bumped(next)), state.RunUnchanged)
	b.says(b.log(run), "lib at "+next[:7]) // it was fetched to be sure
	again := b.ends(b.push("back", bumped(lib.Git("rev-parse", "main~1"))), state.RunUnchanged)
	b.says(told(t, again), "no file of this stack changed")
}

func TestASubmoduleThatWasNotPushedSaysSo(t *testing.T) {
	b := newBench(t).serve()
	lib := b.repo.NewSibling("lib")
	live := b.deployed("one", b.mounting(lib.Commit("main", "one", gittest.Files{"app.conf": gittest.Text("one")})))
	applies, _ := b.target.counts()
	run := b.ends(b.push("two", bumped(strings.Repeat("a", 40))), state.RunFailed)
	b.says(b.story(run), "lib is a submodule (file://", "/lib.git at aaaaaaa): the commit is not at the remote", "push it there")
	if now, _ := b.target.counts(); now != applies || b.stack("shop").Live.Commit != live.Commit {
		t.Error("something was changed")
	}
	if j := b.stack("shop").Judged; !j.Again || !j.Outage {
		t.Errorf("nobody tries again: %+v", j)
	}
}

// A fork cannot make the server fetch what the branch does not have, though
// who pushes to the repository could.
func TestAForkCannotAddASubmodule(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Provider, b.stacks[0].PlanForks = "gitea", true
	lib, secret := b.repo.NewSibling("lib"), b.repo.NewSibling("secret")
	files := b.mounting(lib.Commit("main", "one", gittest.Files{"app.conf": gittest.Text("one")}))
	files["shop/.env.production.example"] = gittest.Text("PASSWORD=change-me\n")
	b.deployed("one", files)
	hidden := secret.Commit("main", "one", gittest.Files{"app.conf": gittest.Text("hidden")})
	propose := func(fork bool, files gittest.Files, want state.RunStatus) *state.Run {
		t.Helper()
		event := b.pull(state.PullOpened, b.proposed(files))
		event.PullRequest.Fork = fork
		return b.ends(b.reviewed(event), want)
	}
	bump := propose(true, bumped(lib.Commit("main", "two", gittest.Files{"app.conf": gittest.Text("two")})), state.RunSucceeded)
	b.says(planOf(t, bump.Changes), `"name":"web","action":"recreate"`)
	adds := bumped(hidden)
	adds[".gitmodules"] = gittest.Modules(map[string]string{"lib": "../secret.git"})
	refused := propose(true, adds, state.RunFailed)
	b.says(b.story(refused), "the branch has no submodule from there")
	for _, name := range b.moduleMirrors() {
		if strings.HasPrefix(name, "secret") {
			t.Errorf("a fork made the server fetch %s", name)
		}
	}
	propose(false, adds, state.RunSucceeded)
}

// What it holds is not known before it is fetched, and it is not.
func TestASubmoduleAmongTheFoldersOfATemplateIsNoStack(t *testing.T) {
	b := monorepo(t, "apps")
	b.serve()
	files := b.app("apps/shop", "app:1", "")
	vendored := b.repo.NewSibling("vendored")
	files[".gitmodules"] = gittest.Modules(map[string]string{"apps/vendored": "../vendored.git"})
	files["apps/vendored"] = gittest.Submodule(vendored.Commit("main", "one", gittest.Files{"compose.yaml": gittest.Text("services: {web: {image: 'app:1'}}\n")}))
	b.accept(b.event(b.commit("one", files)))
	b.eventually("shop runs", func() bool { return b.stack("shop").LastGood != nil })
	b.idle()
	if got := b.moduleMirrors(); len(got) != 0 {
		t.Errorf("it was fetched: %q", got)
	}
}

func TestMirrorsOfSubmodulesThatNothingReadsAreRemoved(t *testing.T) {
	b := newBench(t).serve()
	lib := b.repo.NewSibling("lib")
	b.deployed("one", b.mounting(lib.Commit("main", "one", gittest.Files{"app.conf": gittest.Text("one")})))
	keep := func(want int) {
		t.Helper()
		b.eventually("the snapshots of the runs are gone", func() bool {
			runtime.GC()
			b.queue.keepSubmodules(t.Context())
			return len(b.moduleMirrors()) == want
		})
	}
	keep(1)
	b.deployed("without", gittest.Files{"shop/compose.yaml": b.app("shop", "app:2", "")["shop/compose.yaml"]})
	keep(0)
	b.deployed("again", b.mounting(lib.Tip("main")))
	keep(1)
}

// A context has the files of submodules; those that it leaves out are not fetched.
func TestABuildContextHasTheFilesOfSubmodules(t *testing.T) {
	b := newBench(t)
	lib := b.repo.NewSibling("lib")
	commit := lib.Commit("main", "one", gittest.Files{"page": gittest.Text("one")})
	b.commit("one", gittest.Files{
		"compose.yaml":      gittest.Text("services:\n  web: {build: ./src}\n  lib: {build: {context: ./src/lib, dockerfile_inline: FROM scratch}}\n"),
		"src/Dockerfile":    gittest.Text("FROM scratch\n"),
		"src/.dockerignore": gittest.Text("big\n"),
		"src/lib":           gittest.Submodule(commit),
		"src/big":           gittest.Submodule(strings.Repeat("1", 40)),
		".gitmodules":       gittest.Modules(map[string]string{"src/lib": "../lib.git", "src/big": "https://127.0.0.1:1/big.git"}),
	})
	build := func(service string) (*project.Project, *project.Build, error) {
		t.Helper()
		tree, err := b.stacks[0].Mirror.Fetch(t.Context(), "main")
		b.must(err)
		p, err := project.Load(t.Context(), project.Source{Tree: tree, Dir: ".", Name: "shop"})
		b.must(err)
		built, err := p.Build(tree, service)
		return p, built, err
	}
	p, built, err := build("web")
	b.must(err)
	if want := []string{"src/.dockerignore", "src/Dockerfile", "src/lib/page"}; !slices.Equal(built.Files, want) {
		t.Errorf("the context has %q", built.Files)
	}
	p.Built(built, "image")
	if !slices.Contains(p.Reads, "src") || !slices.Contains(p.Reads, "src/lib/page") {
		t.Errorf("it reads %q", p.Reads)
	}
	_, built, err = build("lib")
	b.must(err)
	if want := []string{"src/lib/page"}; !slices.Equal(built.Files, want) {
		t.Errorf("the submodule as a context has %q", built.Files)
	}
	b.commit("with all", gittest.Files{"src/.dockerignore": gittest.Removed()})
	if _, _, err := build("web"); err == nil || !strings.Contains(err.Error(), "src/big is a submodule (https://127.0.0.1:1/big.git at 1111111): it is on another server") {
		t.Errorf("a submodule that is in the context: %v", err)
	}
}

// Files that are not the files themselves are refused in a submodule too.
func TestAPointerOfLFSInASubmoduleIsRefused(t *testing.T) {
	b := newBench(t).serve()
	lib := b.repo.NewSibling("lib")
	pointer := gittest.Text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
	run := b.ends(b.push("one", b.mounting(lib.Commit("main", "one", gittest.Files{"app.conf": pointer}))), state.RunFailed)
	b.says(b.story(run), "lib/app.conf is a pointer of Git LFS", "git lfs migrate export")
}
