package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A dataStack is a site whose container mounts something, and shows the files
// in it.
type dataStack struct {
	*product
	image, port string
}

func newDataStack(t *testing.T) dataStack {
	p := newProduct(t)
	return dataStack{p, p.Image(), freePort(t)}
}

// commit is the stack with mounts, fields of the service and the end of the
// compose file as given.
func (s dataStack) commit(version, mounts, fields, end string) gittest.Files {
	return gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    environment: {VERSION: %q, STATUS: "${STATUS:-200}"}
    ports: ["127.0.0.1:%s:8080"]
    volumes: [%s]
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
    %s
%s`, s.image, version, s.port, mounts, fields, end)),
		"pipeline.yaml": gittest.Text(fmt.Sprintf("verify: [{check: http, url: 'http://127.0.0.1:%s/'}]\n", s.port))}
}

// sees is what the container reads in a file.
func (s dataStack) sees(path string) string {
	return get(s.t, "http://127.0.0.1:"+s.port+"/file?path="+path)
}

// hostPath is where a mount of the container is on the host.
func (s dataStack) hostPath(target string) string {
	s.t.Helper()
	full, err := s.Engine.ContainerInspect(s.t.Context(), s.Containers()["web"])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range full.Mounts {
		if m.Destination == target {
			return m.Source
		}
	}
	s.t.Fatalf("nothing is mounted at %s", target)
	return ""
}

// Data goes neither forward nor back with a release.
func TestNamedVolumeKeepsItsDataAndItsDefinition(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	const volume = "volumes: {data: {}}\n"
	_, run := s.Push("writes", s.commit("one", `"data:/data"`, "labels: {a: b}", volume))
	producttest.MustEnd(t, run, state.RunSucceeded)
	written := func(version string, run *state.Run, want state.RunStatus) {
		t.Helper()
		producttest.MustEnd(t, run, want)
		s.mustRunVersion(version)
		if got := s.sees("/data/file"); got != "200 precious" {
			t.Fatalf("after %s the container sees %q", run.Subject, got)
		}
	}
	if err := os.WriteFile(s.hostPath("/data")+"/file", []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, run = s.Push("next", s.commit("two", `"data:/data"`, "", volume))
	written("two", run, state.RunSucceeded)
	_, run = s.Push("bad", and(s.commit("three", `"data:/data"`, "", volume), gittest.Files{".env.production": gittest.Text("STATUS=500\n")}))
	written("two", run, state.RunRolledBack)
	if out, code := s.CLI("rollback", s.Stack); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	written("one", s.History()[0], state.RunSucceeded)

	before := s.Containers()
	_, run = s.Push("another definition", and(s.commit("four", `"data:/data"`, "", "volumes: {data: {driver_opts: {type: tmpfs, device: tmpfs}}}\n"),
		gittest.Files{".env.production": gittest.Removed()}))
	written("one", run, state.RunFailed)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "volumes failed") || !strings.Contains(text, s.Stack+"_data") ||
		!strings.Contains(text, "new volume name") {
		t.Errorf("the changed definition is not explained:\n%s", text)
	}
	if after := s.Containers(); after["web"] != before["web"] {
		t.Error("the container was replaced")
	}
}

// What a container has written into a tracked file is neither lost nor kept
// in silence.
func TestWrittenCopyBlocksTheNextDeploy(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	commit := func(version, content, mount, fields string) gittest.Files {
		return and(s.commit(version, mount, fields, ""), gittest.Files{"app.conf": gittest.Text(content)})
	}
	const writable, readOnly = `"./app.conf:/app.conf"`, `"./app.conf:/app.conf:ro"`
	_, run := s.Push("writable", commit("one", "from Git\n", writable, ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "compose warned service web mounts ./app.conf writable") || !strings.Contains(text, ":ro") {
		t.Errorf("a writable mount of a tracked file is not warned of:\n%s", text)
	}
	host := s.hostPath("/app.conf")
	_, run = s.Push("not written", commit("one", "from Git again\n", writable, ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if s.hostPath("/app.conf") == host || s.sees("/app.conf") != "200 from Git again" {
		t.Errorf("the container sees %q in %s", s.sees("/app.conf"), s.hostPath("/app.conf"))
	}

	host = s.hostPath("/app.conf")
	if err := os.WriteFile(host, []byte("by the app\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := s.Containers()
	_, run = s.Push("would replace it", commit("two", "next of Git\n", writable, ""))
	producttest.MustEnd(t, run, state.RunFailed)
	text := evidence(run, state.StagePreflight)
	for _, says := range []string{"files failed", "app.conf", "files: keep", ":ro"} {
		if !strings.Contains(text, says) {
			t.Errorf("preflight does not say %q:\n%s", says, text)
		}
	}
	if s.Containers()["web"] != before["web"] || s.sees("/app.conf") != "200 by the app" {
		t.Errorf("the container was touched; it sees %q", s.sees("/app.conf"))
	}

	// What leaves the file where it is goes through.
	_, run = s.Push("another change", commit("two", "from Git again\n", writable, ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if got := s.sees("/app.conf"); got != "200 by the app" {
		t.Errorf("after another change the container sees %q", got)
	}
	if err := os.WriteFile(host, []byte("from Git again\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, run = s.Push("read-only", commit("three", "next of Git\n", readOnly, ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if got := s.sees("/app.conf"); got != "200 next of Git" {
		t.Errorf("read-only the container sees %q", got)
	}
}

// What is data stays where it is, over releases and rollbacks.
func TestDataOnTheHostStays(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	const mounts = `"./state:/state", "./kept.conf:/kept.conf", "./uploads:/uploads"`
	commit := func(version string) gittest.Files {
		return and(s.commit(version, mounts, "x-deployer: {files: keep}", ""), gittest.Files{
			"uploads/.gitkeep": gittest.Text(""), "kept.conf": gittest.Text("from Git, " + version + "\n"),
		})
	}
	_, run := s.Push("first", commit("one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if got := s.sees("/kept.conf"); got != "200 from Git, one" {
		t.Errorf("a kept file starts as %q", got)
	}
	data := map[string]string{}
	for target, file := range map[string]string{"/state": "/state/db", "/uploads": "/uploads/picture", "/kept.conf": "/kept.conf"} {
		data[file] = "written into " + file
		host := s.hostPath(target)
		if target != file {
			host += strings.TrimPrefix(file, target)
		}
		if !strings.HasPrefix(host, s.Path("data/stacks/")) {
			t.Errorf("%s lies in %s", file, host)
		}
		if err := os.WriteFile(host, []byte(data[file]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, run = s.Push("second", commit("two"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	_, run = s.Push("bad", and(commit("three"), gittest.Files{".env.production": gittest.Text("STATUS=500\n")}))
	producttest.MustEnd(t, run, state.RunRolledBack)
	s.mustRunVersion("two")
	for file, want := range data {
		if got := s.sees(file); got != "200 "+want {
			t.Errorf("%s is %q after a release and a rollback", file, got)
		}
	}
}
