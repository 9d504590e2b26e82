package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// twoServices is a stack whose web answers on a port of the host and whose
// other service has nothing to do with it.
func twoServices(image, port, extra string) gittest.File {
	return gittest.Text(fmt.Sprintf(`services:
  web:
    image: %[1]s
    environment: {VERSION: "${VERSION}", STATUS: "${STATUS:-200}", PASSWORD: "${PASSWORD}"}
    ports: ["127.0.0.1:%[2]s:8080"]
    volumes: ["./web.conf:/web.conf:ro"]
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
  other:
    image: %[1]s
    environment: {VERSION: other}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
%[3]s`, image, port, extra))
}

func checks(port string) gittest.File {
	return gittest.Text(fmt.Sprintf(`preflight: [{check: env, required: [VERSION, PASSWORD]}]
verify: [{check: http, url: "http://127.0.0.1:%s/", status: [200], body: {contains: "${VERSION}"}, within: 2s}]
`, port))
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, strings.TrimSpace(string(body)))
}

// The whole story: a push deploys; one that changes nothing is told so; one
// service changes and the other keeps its container; a bad push comes back,
// though its tag has moved since; and the history says all of it.
func TestPushDeploysAndABadPushComesBack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	port := freePort(t)
	image := p.Image()
	site := "http://127.0.0.1:" + port + "/"

	first, run := p.Push("first release", gittest.Files{
		"compose.yaml": twoServices(image, port, ""), "pipeline.yaml": checks(port),
		".env.production": p.Sealed("VERSION=one\nPASSWORD=canary-env-secret\n"), "web.conf": gittest.Text("conf one\n"),
	})
	producttest.MustEnd(t, run, state.RunSucceeded)
	if got := get(t, site); got != "200 one" {
		t.Fatalf("the site answers %q", got)
	}
	if s := p.Now(); s.Sync != "in_sync" || s.Health != "healthy" || s.Live.Commit != first || s.LastGood.Commit != first {
		t.Fatalf("the stack is %+v", s)
	}
	before := p.Containers()

	_, run = p.Push("a comment in the compose file", gittest.Files{"compose.yaml": twoServices(image, port, "# a comment\n")})
	producttest.MustEnd(t, run, state.RunUnchanged)
	if s := p.Now(); s.Sync != "in_sync" {
		t.Fatalf("after a push that changes nothing the stack is %s", s.Sync)
	}
	if after := p.Containers(); after["web"] != before["web"] {
		t.Fatal("a push that changes nothing replaced a container")
	}

	_, run = p.Push("a mounted file", gittest.Files{"web.conf": gittest.Text("conf two\n")})
	producttest.MustEnd(t, run, state.RunSucceeded)
	after := p.Containers()
	if after["web"] == before["web"] || after["other"] != before["other"] {
		t.Fatalf("a changed mount: web and other went from %v to %v", before, after)
	}
	if got := get(t, site+"file?path=/web.conf"); got != "200 conf two" {
		t.Fatalf("the container sees %q", got)
	}
	good := p.Now().Live.Commit

	bad, run := p.Push("bad release", gittest.Files{
		".env.production": p.Sealed("VERSION=two\nPASSWORD=canary-env-secret\nSTATUS=500\n"), "web.conf": gittest.Text("conf three\n"),
	})
	producttest.MustEnd(t, run, state.RunRolledBack)
	if run.RolledBackTo != good || !strings.Contains(run.Error, "500") {
		t.Fatalf("rolled back to %s because %q", run.RolledBackTo, run.Error)
	}
	if got := get(t, site); got != "200 one" {
		t.Fatalf("after the rollback the site answers %q", got)
	}
	if got := get(t, site+"file?path=/web.conf"); got != "200 conf two" {
		t.Fatalf("after the rollback the container sees %q", got)
	}
	if last := p.Containers(); last["other"] != before["other"] {
		t.Fatal("the rollback replaced a container that the bad push did not touch")
	}
	s := p.Now()
	if s.Sync != "quarantined" || len(s.Quarantined) != 1 || s.Quarantined[0].Commit != bad || s.Live.Commit != good {
		t.Fatalf("after the rollback the stack is %+v", s)
	}

	_, run = p.Push("the bad release under another name", gittest.Files{"README.md": gittest.Text("hello\n")})
	producttest.MustEnd(t, run, state.RunFailed)
	if !strings.Contains(run.Error, s.Quarantined[0].Run) {
		t.Fatalf("the quarantine does not name its run: %s", run.Error)
	}

	var history struct{ Runs []*state.Run }
	p.Call("viewer", http.MethodGet, "/api/v1/runs?stack="+p.Stack, nil, &history)
	var statuses []state.RunStatus
	for _, r := range history.Runs {
		statuses = append(statuses, r.Status)
	}
	want := []state.RunStatus{state.RunFailed, state.RunRolledBack, state.RunSucceeded, state.RunUnchanged, state.RunSucceeded}
	if !slices.Equal(statuses, want) {
		t.Fatalf("history is %v, want %v", statuses, want)
	}
}

// A tag that moves between the deploy and the rollback must not change what
// the rollback brings back.
func TestRollbackUsesTheImageThatRanNotTheTag(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	port := freePort(t)
	good, bad := p.Image("ENV VERSION=good"), p.Image("ENV VERSION=bad", "ENV STATUS=500")
	tag := enginetest.Prefix + "moving:" + p.Stack[len(p.Stack)-8:]
	p.Tag(good, tag)
	compose := gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    ports: ["127.0.0.1:%s:8080"]
    environment: {ROUND: "${ROUND:-1}"}
`, tag, port))
	verify := gittest.Text(fmt.Sprintf("verify: [{check: http, url: 'http://127.0.0.1:%s/', within: 2s}]\n", port))
	_, run := p.Push("good", gittest.Files{"compose.yaml": compose, "pipeline.yaml": verify})
	producttest.MustEnd(t, run, state.RunSucceeded)

	p.Tag(bad, tag)
	_, run = p.Push("the tag moved", gittest.Files{".env.production": gittest.Text("ROUND=2\n")})
	producttest.MustEnd(t, run, state.RunRolledBack)
	if got := get(t, "http://127.0.0.1:"+port+"/"); got != "200 good" {
		t.Fatalf("after the rollback the site answers %q", got)
	}
}

// The first release has nothing to go back to: it stays for a person to look at.
func TestFirstReleaseThatFailsIsLeftToLookAt(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("crashes", gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  db:
    image: %s
    environment: {EXIT_AFTER: 100ms, EXIT_CODE: "3", WRITE_FILE: /data/written}
    volumes: ["data:/data"]
volumes: {data: {}}
`, image))})
	producttest.MustEnd(t, run, state.RunFailed)
	if !strings.Contains(run.Error, "no good release") {
		t.Fatalf("the error says %q", run.Error)
	}
	var log string
	p.Call("viewer", http.MethodGet, "/api/v1/runs/"+run.ID+"/log", nil, &log)
	if !strings.Contains(log, "exits with 3") {
		t.Fatalf("the log lacks the container's own words:\n%s", log)
	}
	if _, ok := p.Containers()["db"]; !ok {
		t.Fatal("the failed container, which is the evidence, is gone")
	}
}

// A failed preflight changes nothing and says what to do.
func TestPreflightFailureChangesNothing(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	port := freePort(t)
	image := p.Image()
	files := gittest.Files{
		"compose.yaml": twoServices(image, port, ""), "pipeline.yaml": checks(port),
		".env.production": p.Sealed("VERSION=one\nPASSWORD=long-enough\n"), "web.conf": gittest.Text("x\n"),
	}
	_, run := p.Push("good", files)
	producttest.MustEnd(t, run, state.RunSucceeded)
	before := p.Containers()

	for name, change := range map[string]gittest.Files{
		"undefined variable": {".env.production": p.Sealed("PASSWORD=long-enough\n")},
		"placeholder":        {".env.production": p.Sealed("VERSION=two\nPASSWORD=CHANGE_ME_IN_PRODUCTION\n")},
		"image not to be had": {".env.production": p.Sealed("VERSION=two\nPASSWORD=long-enough\n"),
			"compose.yaml": twoServices("127.0.0.1:1/nothing:here", port, "")},
		"an image to build": {"compose.yaml": gittest.Text("services: {web: {image: x, build: .}}\n")},
	} {
		t.Run(name, func(t *testing.T) {
			commit := p.Repo.Commit("main", name, change)
			run := p.Wait(p.Deliver(map[string]any{"ref": "refs/heads/main", "after": commit})[0])
			producttest.MustEnd(t, run, state.RunFailed)
			if run.Stage(state.StageDeploy).Status != state.StageSkipped {
				t.Fatal("the deploy stage ran")
			}
			hints := 0
			for _, step := range run.Stage(state.StagePreflight).Steps {
				if step.Status == state.StepFailed && (step.Hint != "" || strings.Contains(step.Message, ";")) {
					hints++
				}
			}
			if hints == 0 {
				t.Fatalf("no failed step says what to do: %+v", run.Stage(state.StagePreflight).Steps)
			}
			for service, id := range p.Containers() {
				if before[service] != id {
					t.Fatalf("service %s was touched", service)
				}
			}
			p.Repo.Commit("main", "restore", files)
		})
	}
}
