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
	"deployer/internal/producttest"
	"deployer/state"
)

// inFolder moves files into a folder of the repository.
func inFolder(folder string, files gittest.Files) gittest.Files {
	out := gittest.Files{}
	for name, file := range files {
		out[path.Join(folder, name)] = file
	}
	return out
}

// names are the stacks that the API shows.
func (p *product) names() (names []string) {
	p.t.Helper()
	var list struct{ Stacks []struct{ Name string } }
	p.Call("viewer", http.MethodGet, "/api/v1/stacks", nil, &list)
	for _, s := range list.Stacks {
		names = append(names, s.Name)
	}
	return names
}

// announce delivers a push, and wants it taken and no run named yet.
func (p *product) announce(commit string) {
	p.t.Helper()
	body := fmt.Sprintf(`{"ref": "refs/heads/main", "after": %q}`, commit)
	if status, answer := p.send(body, func(*http.Request) {}); status != http.StatusAccepted || !strings.Contains(answer, `"runs":[]`) {
		p.t.Fatalf("the delivery got %d %s", status, answer)
	}
}

// live waits until a stack runs a commit.
func (p *product) live(stack, commit string) {
	p.t.Helper()
	p.Stack = stack
	p.Eventually(time.Minute, stack+" runs "+commit, func() bool {
		if !slices.Contains(p.names(), stack) {
			return false
		}
		good := p.Now().LastGood
		return good != nil && good.Commit == commit
	})
}

// Folders of one repository are stacks, by SIGHUP, webhook and restart; a push
// runs those that it concerns.
func TestFoldersOfARepositoryAreStacks(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	first := p.Stack
	one, two := first+"-one", first+"-two"
	p.Stack = one
	image := p.Image()
	p.Stack = two
	p.Image()
	p.Stack = first

	commit := p.Repo.Commit("main", "one folder", inFolder("apps/"+one, oneService(image, "1")))
	p.edit("  "+first+":\n    repository: config\n", "  \"apps/*\": {repository: config, directory: \"apps/*\"}\n")
	p.mustReload()
	p.live(one, commit)
	if got := p.names(); !slices.Equal(got, []string{one}) {
		t.Fatalf("stacks %v", got)
	}

	added := p.Repo.Commit("main", "another folder", inFolder("apps/"+two, oneService(image, "1")))
	p.announce(added)
	p.live(two, added)
	before := len(p.History())
	changed := p.Repo.Commit("main", "one changes", inFolder("apps/"+one, oneService(image, "2")))
	p.announce(changed)
	p.live(one, changed)
	if runs := p.History(); len(runs) != before+1 || runs[0].Stack != one || runs[0].Trigger.Kind != state.TriggerWebhook {
		t.Errorf("the push made %d runs, the last of %s by %s", len(runs)-before, runs[0].Stack, runs[0].Trigger.Kind)
	}

	gone := maps.Clone(inFolder("apps/"+one, oneService(image, "2")))
	for name := range gone {
		gone[name] = gittest.Removed()
	}
	p.Stack = one
	containers := p.Containers()
	p.announce(p.Repo.Commit("main", "gone", gone))
	warning := func() string {
		out, _ := p.CLI("status", one)
		return out
	}
	p.Eventually(time.Minute, "the stack says that its folder is gone", func() bool {
		return strings.Contains(warning(), "folder apps/"+one+" is no longer on main")
	})
	p.Stop()
	p.Start()
	if got := p.names(); !slices.Equal(got, []string{one, two}) {
		t.Errorf("after a restart: stacks %v", got)
	}
	if got := p.Containers(); !maps.Equal(got, containers) || len(got) != 1 {
		t.Errorf("its containers were %v and are %v", containers, got)
	}
}

// What would take over the host is refused before anything changes, what the
// server's file allows is not, and deployer's own files never are.
func TestPolicyOfTheServer(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("good", oneService(image, "1"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	containers := p.Containers()
	with := func(line string) gittest.Files {
		files := oneService(image, "2")
		files["compose.override.yaml"] = gittest.Text("services: {web: {" + line + "}}\n")
		return files
	}
	refused := func(line string, says ...string) {
		t.Helper()
		_, run := p.Push(line, with(line))
		producttest.MustEnd(t, run, state.RunFailed)
		for _, text := range says {
			if !strings.Contains(run.Error+run.Hint, text) {
				t.Errorf("%s: %q is not said: %s; %s", line, text, run.Error, run.Hint)
			}
		}
		if got := p.Containers(); !maps.Equal(got, containers) {
			t.Errorf("%s: the containers were touched", line)
		}
	}
	refused("privileged: true", "privileged: service web", "allow: [privileged]")
	refused(`volumes: ["/var/run/docker.sock:/s:ro"]`, "docker_socket", "allow: [docker_socket]")
	p.edit("    repository: config\n", "    repository: config\n    policy: {base: none, allow: [privileged]}\n")
	p.mustReload()
	refused(`volumes: ["`+p.Path("age.key")+`:/k:ro"]`, "deployer_files", "age.key")
	refused(`volumes: [{type: bind, source: "`+p.Path("data")+`", target: /d}]`, "deployer_files")
	refused(`volumes: ["`+p.Path("deployer.yaml")+`:/k:ro"]`, "deployer_files")
	if out, code := p.CLI("plan", p.Stack); code == 0 || !strings.Contains(out, "deployer_files") {
		t.Errorf("the plan: exit %d\n%s", code, out)
	}
	_, run = p.Push("allowed", with("cap_add: [SYS_TIME]"))
	producttest.MustEnd(t, run, state.RunSucceeded)
}
