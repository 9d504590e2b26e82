package e2e

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

func TestRolesDecideWhatACallerMay(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.Keys["nobody"] = "a token that was never made"
	stack := "/api/v1/stacks/" + p.Stack
	for _, c := range []struct {
		role, method, path string
		want               int
	}{
		{"viewer", http.MethodGet, stack, 200},
		{"viewer", http.MethodPost, stack + "/deploy", 403},
		{"viewer", http.MethodPost, stack + "/rollback", 403},
		{"viewer", http.MethodPut, stack + "/lock", 403},
		{"viewer", http.MethodPost, "/api/v1/runs/x/cancel", 403},
		{"viewer", http.MethodGet, "/api/v1/audit", 403},
		{"deployer", http.MethodGet, "/api/v1/audit", 403},
		{"admin", http.MethodGet, "/api/v1/audit", 200},
		{"nobody", http.MethodGet, stack, 401},
		{"nobody", http.MethodPost, stack + "/deploy", 401},
		{"nobody", http.MethodGet, "/metrics", 401},
		{"", http.MethodGet, "/api/v1/stacks", 401},
		{"", http.MethodPost, stack + "/deploy", 401},
		{"", http.MethodGet, "/api/v1/openapi.yaml", 200},
		{"", http.MethodGet, "/healthz", 200},
		{"", http.MethodGet, "/stacks/" + p.Stack, 401},
		{"admin", http.MethodGet, "/stacks/" + p.Stack, 401}, // a page asks for a session
		{"admin", http.MethodGet, "/api/v1/secrets", 404},
	} {
		var answer string
		if got := p.Call(c.role, c.method, c.path, nil, &answer); got != c.want {
			t.Errorf("%q: %s %s is answered with %d, want %d: %.200s", c.role, c.method, c.path, got, c.want, answer)
		}
	}
	if runs := p.History(); len(runs) != 0 {
		t.Errorf("%d runs were queued", len(runs))
	}
}

// Scripts go by exit codes and JSON.
func TestCommandLineIsForScriptsToo(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	p.Repo.Commit("main", "good", oneService(image, "one"))
	out, code := p.CLI("deploy", p.Stack, "--json")
	var run state.Run
	if err := json.Unmarshal([]byte(out), &run); err != nil || code != 0 || run.Status != state.RunSucceeded {
		t.Fatalf("deploy --json: exit %d, %v\n%s", code, err, out)
	}
	p.Repo.Commit("main", "bad", oneService("127.0.0.1:1/none:1", "two"))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"deploy", p.Stack}, 1, "what to do"},
		{[]string{"status"}, 0, p.Stack},
		{[]string{"status", p.Stack}, 0, "healthy"},
		{[]string{"runs", p.Stack}, 0, run.ID},
		{[]string{"runs", "--status", "succeeded"}, 0, "good"},
		{[]string{"logs", run.ID}, 0, "verify passed"},
		{[]string{"deploy", "other"}, 2, `no stack "other"; deployer status lists them`},
		{[]string{"status", p.Stack + "x"}, 2, "did you mean " + p.Stack + "?"},
		{[]string{"runs", "NOPE"}, 2, `no stack "NOPE"`},
		{[]string{"runs", p.Stack, "--kind", "backup"}, 0, "COMMIT"},
		{[]string{"backups", "NOPE"}, 2, `no stack "NOPE"`},
		{[]string{"logs", "NOPE"}, 2, `no run and no stack "NOPE"`},
		{[]string{"cancel", "NOPE"}, 2, `no run "NOPE"; deployer runs lists them`},
		{[]string{"restore", "NOPE", "--yes"}, 2, `no backup "NOPE"; deployer backups lists them`},
		{[]string{"deploy"}, 2, "--help"},
		{[]string{"deploy", p.Stack, "--colour", "red"}, 2, "--colour"},
		{[]string{"lock", p.Stack}, 2, "--reason"},
		{[]string{"status", "--server", "nowhere"}, 2, "--server"},
		{[]string{"status", "--server", "http://127.0.0.1:1"}, 1, "127.0.0.1:1"},
		{[]string{"status", "--token", "wrong"}, 1, "token"},
	} {
		if out, code := p.CLI(c.args...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("deployer %s: exit %d, want %d and %q\n%s", strings.Join(c.args, " "), code, c.code, c.says, out)
		}
	}
	for _, args := range [][]string{{"status", "--json"}, {"status", p.Stack, "--json"}, {"runs", "--json"}, {"logs", p.Stack, "--json"}, {"logs", run.ID, "--json"}, {"plan", p.Stack, "--json", "--commit", run.Commit}} {
		if out, code := p.CLI(args...); code != 0 || !json.Valid([]byte(out)) {
			t.Errorf("deployer %s: exit %d\n%s", strings.Join(args, " "), code, out)
		}
	}
}

// stream reads the events of a run's log from the one after last on, until
// enough says so or the stream ends.
func (p *product) stream(run, last string, enough func(text string) bool) (text, id string, ended bool) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.URL+"/api/v1/runs/"+run+"/log", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Keys["viewer"])
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var data []string
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "event" && value == "end":
			return text, id, true
		case field == "id":
			id = value
		case field == "data" || field == "data:":
			data = append(data, value)
		case field == "" && len(data) > 0:
			text, data = text+strings.Join(data, "\n"), nil
			if enough(text) {
				return text, id, false
			}
		}
	}
	return text, id, false
}

// A reader of the log who is cut off goes on where they were.
func TestLogIsStreamedAndResumed(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image, gate := p.Image(), newGate(t)
	_, id := p.Begin("first", and(oneService(image, "one"), gittest.Files{"pipeline.yaml": gate.check("1m")}))
	head, last, ended := p.stream(id, "", func(text string) bool { return strings.Contains(text, "deploy passed") })
	if ended || last == "" {
		t.Fatalf("the stream ended before the run (last event %q):\n%s", last, head)
	}
	gate.open()
	tail, _, ended := p.stream(id, last, func(string) bool { return false })
	if !ended {
		t.Error("the stream has no end")
	}
	if whole := p.RunLog(id); head+tail != whole {
		t.Errorf("both parts of the stream are\n%s\n---\n%s\n, the log is\n%s", head, tail, whole)
	}
	if !strings.Contains(tail, "succeeded") {
		t.Errorf("the end of the log does not say how it ended:\n%s", tail)
	}
}

// untouched is what a plan must leave as it is: containers, images, and the
// files that containers mount.
func (p *product) untouched() map[string]string {
	p.t.Helper()
	out := p.Containers()
	images, err := p.Engine.ImageList(p.t.Context(), image.ListOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, i := range images {
		for _, tag := range i.RepoTags {
			if strings.Contains(tag, p.Stack) {
				out["image "+tag] = i.ID
			}
		}
	}
	for _, folder := range []string{p.Path("data/objects"), p.Path("data/stacks"), p.Memory} {
		_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				info, _ := d.Info()
				out[path] = info.ModTime().String()
			}
			return nil
		})
	}
	return out
}

// A plan touches nothing, and is what the run then does.
func TestPlanIsWhatTheRunDoes(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image, port := p.Image(), freePort(t)
	env := func(version string) gittest.File {
		return p.Sealed("VERSION=" + version + "\nPASSWORD=canary-of-the-plan\n")
	}
	_, run := p.Push("good", gittest.Files{"compose.yaml": twoServices(image, port, "  old: {image: "+image+"}\n"),
		".env.production": env("one"), "web.conf": gittest.Text("one\n")})
	producttest.MustEnd(t, run, state.RunSucceeded)

	p.Repo.Commit("main", "next", gittest.Files{"compose.yaml": twoServices(image, port, "  new: {image: "+image+"}\n"),
		".env.production": env("two"), "web.conf": gittest.Text("two\n")})
	before := p.untouched()
	var plan struct{ Changes state.Changes }
	var answer string
	if code := p.Call("viewer", http.MethodPost, "/api/v1/stacks/"+p.Stack+"/plan", struct{}{}, &answer); code != http.StatusOK {
		t.Fatalf("plan: %d %s", code, answer)
	}
	if err := json.Unmarshal([]byte(answer), &plan); err != nil {
		t.Fatal(err)
	}
	if after := p.untouched(); !maps.Equal(before, after) {
		t.Errorf("the plan has touched something:\n%v\n%v", before, after)
	}
	got := map[string]state.ServiceAction{}
	for _, s := range plan.Changes.Services {
		got[s.Name] = s.Action
	}
	want := map[string]state.ServiceAction{"web": state.ActionRecreate, "other": state.ActionKeep, "new": state.ActionCreate, "old": state.ActionRemove}
	if !maps.Equal(got, want) {
		t.Errorf("the plan is %v, want %v", got, want)
	}
	if !strings.Contains(answer, "web.conf") || !strings.Contains(answer, "VERSION") || strings.Contains(answer, "two") {
		t.Errorf("the plan names no reasons, or a secret value: %s", answer)
	}

	run = p.mustRun(p.ask("deployer", http.MethodPost, "/deploy", map[string]any{}))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if !reflect.DeepEqual(run.Changes.Services, plan.Changes.Services) {
		t.Errorf("planned %+v, done %+v", plan.Changes.Services, run.Changes.Services)
	}
	after := p.Containers()
	if after["web"] == before["web"] || after["other"] != before["other"] || after["new"] == "" || after["old"] != "" {
		t.Errorf("the containers went from %v to %v", before, after)
	}
}

// The page shows a person who has signed in what a run did, and why.
func TestPageShowsStacksAndRuns(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("a <b>good</b> push", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)

	if res, err := http.Get(p.URL + "/stacks/" + p.Stack); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a session the page is answered with %v, %v", res.StatusCode, err)
	}
	b := p.browser("viewer")
	for path, says := range map[string][]string{
		"/":                  {p.Stack, "in sync", "healthy", "viewer-of-test"},
		"/stacks/" + p.Stack: {run.ID, "a &lt;b&gt;good&lt;/b&gt; push", run.Commit[:12], "in sync", "Quarantine"},
		"/runs/" + run.ID:    {"fetch", "decrypt", "preflight", "deploy", "verify", "containers", "1 created", "succeeded", "web", "create"},
	} {
		html := b.open(path)
		missing := slices.DeleteFunc(slices.Clone(says), func(text string) bool { return strings.Contains(html, text) })
		if len(missing) > 0 || strings.Contains(html, "<b>good") {
			t.Errorf("page %s lacks %q:\n%s", path, missing, html)
		}
	}
}
