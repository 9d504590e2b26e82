package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// A monorepo is a product whose stacks are the folders of apps.
type monorepo struct {
	*product
	image  string
	prefix string // of the stacks' names: it is not alone on the Engine
}

// newMonorepo has a forge, and no folder yet.
func newMonorepo(t *testing.T) (*monorepo, *giteaServer) {
	p := newProduct(t)
	m := &monorepo{product: p, image: p.Image(), prefix: p.Stack + "-"}
	p.Keys["forge"] = "canary-forge-0123456789abcdef"
	p.Write("forge.token", p.Keys["forge"])
	forge := newGitea(t, p.Keys["forge"])
	p.Configure("gitlab", "")
	p.edit("    poll: 0\n", fmt.Sprintf("    poll: 0\n    forge: {provider: gitea, api: \"http://%s\", repository: ops/infra, token_file: %s}\n", forge.address, p.Path("forge.token")))
	p.edit("  "+p.Stack+":\n    repository: config\n", "  \"apps/*\": {repository: config, directory: \"apps/*\"}\n")
	return m, forge
}

// name is the stack of a folder.
func (m *monorepo) name(app string) string { return m.prefix + app }

// app is a folder whose service needs no network: an Engine has room for few.
func (m *monorepo) app(app, version string) gittest.Files {
	m.CleanUp(m.name(app))
	return m.folder(app, fmt.Sprintf(`services:
  web:
    image: %s
    network_mode: none
    environment: {VERSION: %q}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
`, m.image, version))
}

func (m *monorepo) folder(app, compose string) gittest.Files {
	return gittest.Files{path.Join("apps", m.name(app), "compose.yaml"): gittest.Text(compose)}
}

func (m *monorepo) gone(app string) gittest.Files {
	return gittest.Files{path.Join("apps", m.name(app), "compose.yaml"): gittest.Removed()}
}

// everything are the containers of all stacks, by stack.
func (m *monorepo) everything(apps ...string) map[string]string {
	out := map[string]string{}
	for _, app := range apps {
		out[app] = m.ContainersOf(m.name(app))["web"]
	}
	return out
}

// push makes main a commit, delivers that, and returns the runs that come of
// it when all are over, by app. More than these would be there by then: a look
// queues all of them at once.
func (m *monorepo) push(commit string, want int) map[string]*state.Run {
	m.t.Helper()
	before := map[string]bool{}
	for _, run := range m.History() {
		before[run.ID] = true
	}
	runs, reviews, ignored := m.tell("Push Hook", map[string]any{"object_kind": "push", "ref": "refs/heads/main",
		"before": strings.Repeat("1", 40), "after": commit, "checkout_sha": commit, "user_username": "ada"})
	if len(runs)+len(reviews) != 0 || ignored != "" {
		m.t.Fatalf("the push queued %v and %v, ignored %q", runs, reviews, ignored)
	}
	out := map[string]*state.Run{}
	m.Eventually(2*time.Minute, fmt.Sprintf("the push made %d runs", want), func() bool {
		clear(out)
		over := true
		for _, run := range m.History() {
			if !before[run.ID] && run.Kind == state.KindDeploy {
				out[strings.TrimPrefix(run.Stack, m.prefix)] = run
				over = over && run.Status.Terminal()
			}
		}
		return over && len(out) >= want
	})
	if len(out) != want {
		m.t.Fatalf("the push made runs of %v, want %d", slices.Sorted(maps.Keys(out)), want)
	}
	for app, run := range out {
		if run.Status != state.RunSucceeded || run.Commit != commit {
			m.t.Fatalf("%s is %s at %s: %s", app, run.Status, run.Commit, run.Error)
		}
	}
	return out
}

// planned tells of merge request 5 on a commit, and returns its reviews.
func (m *monorepo) planned(head string, want int) map[string]*state.Run {
	m.t.Helper()
	m.Repo.Git("update-ref", "refs/merge-requests/5/head", head)
	before := map[string]bool{}
	for _, run := range m.History() {
		before[run.ID] = true
	}
	if runs, reviews, ignored := m.tell("Merge Request Hook", m.request("open", head, nil)); len(runs)+len(reviews) != 0 || ignored != "" {
		m.t.Fatalf("it queued %v and %v, ignored %q", runs, reviews, ignored)
	}
	out := map[string]*state.Run{}
	m.Eventually(time.Minute, fmt.Sprintf("there are %d reviews", want), func() bool {
		clear(out)
		over := true
		for _, run := range m.History() {
			if !before[run.ID] && run.Kind == state.KindReview {
				out[strings.TrimPrefix(run.Stack, m.prefix)] = run
				over = over && run.Status.Terminal()
			}
		}
		return over && len(out) >= want
	})
	if len(out) != want {
		m.t.Fatalf("reviews of %v, want %d", slices.Sorted(maps.Keys(out)), want)
	}
	return out
}

func (m *monorepo) request(action, head string, more map[string]any) map[string]any {
	is := map[string]any{"iid": 5, "action": action, "title": "apps", "source_branch": "topic", "target_branch": "main",
		"source_project_id": 1, "target_project_id": 1, "last_commit": map[string]any{"id": head}}
	maps.Copy(is, more)
	return map[string]any{"object_kind": "merge_request", "user": map[string]any{"username": "ada"}, "object_attributes": is}
}

// Fifty folders on a real Engine: a push runs those that it concerns and no
// other, and a merge request is planned for those alone.
func TestFiftyFoldersOfOneRepository(t *testing.T) {
	t.Parallel()
	m, forge := newMonorepo(t)
	files, apps := gittest.Files{"shared/web.yaml": m.shared("one")}, []string{}
	for i := range 50 {
		app := fmt.Sprintf("%02d", i)
		apps = append(apps, app)
		maps.Copy(files, m.app(app, "one"))
	}
	for _, app := range []string{"10", "20", "30"} {
		maps.Copy(files, m.folder(app, "services: {web: {extends: {file: ../../shared/web.yaml, service: web}}}\n"))
	}
	first := m.Repo.Commit("main", "fifty", files)
	began := time.Now()
	m.mustReload()
	m.Eventually(4*time.Minute, "all are deployed", func() bool {
		done := 0
		for _, run := range m.History() {
			if run.Status == state.RunSucceeded && run.Commit == first {
				done++
			}
		}
		return done == 50
	})
	t.Logf("fifty first releases took %s", time.Since(began).Round(time.Second))
	before := m.everything(apps...)
	others := func(when string, changed ...string) {
		t.Helper()
		now := m.everything(apps...)
		for _, app := range apps {
			if (now[app] != before[app]) != slices.Contains(changed, app) {
				t.Errorf("%s: the container of %s was %.12s and is %.12s", when, app, before[app], now[app])
			}
		}
		before = now
	}

	m.push(m.Repo.Commit("main", "one folder", m.app("07", "two")), 1)
	others("one folder", "07")
	runs := m.push(m.Repo.Commit("main", "shared", gittest.Files{"shared/web.yaml": m.shared("two")}), 3)
	others("a file that three include", "10", "20", "30")
	for _, app := range []string{"10", "20", "30"} {
		if runs[app] == nil {
			t.Errorf("no run of %s: %v", app, runs)
		}
	}

	// A merge request that changes one folder, adds one and takes one away.
	head := m.Repo.CommitOn("refs/heads/main", "topic", "apps", and(and(m.app("08", "three"), m.app("new", "one")), m.gone("09")))
	reviews := m.planned(head, 3)
	comment := m.comment(forge, "### deployer: 3 stacks",
		"| "+m.name("08")+" | Merging this would **recreate 1 service**", "| "+m.name("new")+" | Merging this would **create 1 service**",
		"| "+m.name("09")+" | Merging this takes folder", "folder apps/"+m.name("new")+" is new on main", "what runs of it was left alone", "environment&#58; VERSION")
	if strings.Contains(comment, "canary-") {
		t.Error("a secret is in the comment")
	}
	others("a merge request")
	if r := reviews["08"]; r.Status != state.RunSucceeded || r.Review.Head != head {
		t.Errorf("the review of 08 is %s of %+v", r.Status, r.Review)
	}
	// It is not lost with the process, and a later push to it withdraws what it does not concern any more.
	m.Stop()
	m.Start()
	head = m.Repo.CommitOn("refs/heads/main", "topic", "fewer", and(and(m.app("08", "three"), m.gone("09")), m.app("renamed", "one")))
	m.planned(head, 3)
	comment = m.comment(forge, "| "+m.name("renamed")+" | Merging this would **create 1 service**", "has the files of apps/"+m.name("09"))
	if strings.Contains(comment, m.name("new")) {
		t.Errorf("what is not added any more is in\n%s", comment)
	}

	// Merged: what was said is what happens.
	m.Repo.Reset("main", head)
	m.tell("Merge Request Hook", m.request("merge", head, map[string]any{"merge_commit_sha": head}))
	m.push(head, 2)
	others("the merge", "08")
	m.comment(forge, "| "+m.name("08")+" | **Merged and deployed**", "| "+m.name("renamed")+" | **Merged and deployed**",
		"| "+m.name("09")+" | **Merged.** Folder <code>apps/"+m.name("09")+"</code> is gone; what runs of it in "+m.name("09")+" was left alone.")
	if m.everything("renamed")["renamed"] == "" {
		t.Error("the renamed folder has no container")
	}
	if out, _ := m.CLI("status", m.name("09")); !strings.Contains(out, "is no longer on main: what runs of it was left alone") {
		t.Errorf("status of the folder that went: %s", out)
	}
	// What is left of it is removed by hand.
	if out, code := m.CLI("remove", m.name("09"), "--yes"); code != 0 {
		t.Errorf("remove: exit %d\n%s", code, out)
	}
	others("removed by hand", "09")
	var list struct{ Reviews []*state.Run }
	if status := m.Call("viewer", http.MethodGet, "/api/v1/reviews", nil, &list); status != http.StatusOK || len(list.Reviews) != 6 {
		t.Errorf("answered %d with %d reviews", status, len(list.Reviews))
	}
}

// shared is a service that folders extend.
func (m *monorepo) shared(version string) gittest.File {
	return gittest.Text(fmt.Sprintf("services: {web: {image: %s, network_mode: none, environment: {VERSION: %q}, healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}}}\n", m.image, version))
}
