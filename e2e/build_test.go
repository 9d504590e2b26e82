package e2e

import (
	"fmt"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A service with build: is built from the commit before anything stops, once
// for the same files, and what cannot be built changes nothing.
func TestServiceIsBuiltFromTheCommit(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	compose := func(args string) gittest.File {
		return gittest.Text(fmt.Sprintf(`services:
  web:
    build: {context: ./src, args: {WHO: %q}}
    ports: ["127.0.0.1:%s:8080"]
`, args, s.port))
	}
	commit := gittest.Files{
		"compose.yaml":      compose("one"),
		"src/Dockerfile":    gittest.Text("FROM " + s.image + "\nARG WHO\nENV VERSION=$WHO\nCOPY page /page\n"),
		"src/page":          gittest.Text("built in"),
		"src/.dockerignore": gittest.Text("*.big\n"),
		"src/x.big":         gittest.Text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
	}
	_, run := s.Push("building is off", commit)
	producttest.MustEnd(t, run, state.RunFailed)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "building is off") || !strings.Contains(text, "deploy: {build: true}") {
		t.Errorf("preflight:\n%s", text)
	}
	on := "deploy: {build: true}\n"
	_, run = s.Push("on", gittest.Files{"pipeline.yaml": gittest.Text(on)})
	producttest.MustEnd(t, run, state.RunSucceeded)
	if got := s.sees("/page"); got != "200 built in" || !strings.Contains(evidence(run, state.StagePreflight), "web built") {
		t.Errorf("sees %q\n%s", got, evidence(run, state.StagePreflight))
	}
	before := s.Containers()["web"]

	_, run = s.Push("the same files", gittest.Files{"pipeline.yaml": gittest.Text(on + "verify: [{check: tcp, address: '127.0.0.1:" + s.port + "'}]\n")})
	producttest.MustEnd(t, run, state.RunSucceeded)
	if s.Containers()["web"] != before || !strings.Contains(evidence(run, state.StagePreflight), "web built before") {
		t.Errorf("it was built again:\n%s", evidence(run, state.StagePreflight))
	}
	for name, bad := range map[string]gittest.Files{
		"COPY failed":             {"src/Dockerfile": gittest.Text("FROM " + s.image + "\nCOPY nothing /page\n")},
		"is a pointer of Git LFS": {"src/page": gittest.Text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")},
		"line 2 of Dockerfile copies ./src/tls.key, which is encrypted with SOPS": {"src/Dockerfile": gittest.Text("FROM " + s.image + "\nCOPY tls.key /page\n"), "src/tls.key": s.SealedFile("tls.key", "canary", "")},
		"additional_contexts is not supported":                                    {"compose.yaml": gittest.Text("services: {web: {build: {context: ./src, additional_contexts: {x: ./src}}}}\n")},
	} {
		_, run = s.Push(name, bad)
		producttest.MustEnd(t, run, state.RunFailed)
		if text := evidence(run, state.StagePreflight); !strings.Contains(text, name) || s.Containers()["web"] != before {
			t.Errorf("%s:\n%s", name, text)
		}
		_, run = s.Push("as before", gittest.Files{"src/Dockerfile": commit["src/Dockerfile"], "src/page": commit["src/page"], "compose.yaml": commit["compose.yaml"], "src/tls.key": gittest.Removed()})
		producttest.MustEnd(t, run, state.RunUnchanged)
	}
	_, run = s.Push("two", gittest.Files{"compose.yaml": compose("two"), "src/page": gittest.Text("new")})
	producttest.MustEnd(t, run, state.RunSucceeded)
	s.mustRunVersion("two")
	if out, code := s.CLI("rollback", s.Stack); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	s.mustRunVersion("one")
	if got := s.sees("/page"); got != "200 built in" {
		t.Errorf("back it sees %q", got)
	}
}

// What Git LFS keeps elsewhere is never mounted in the place of the file.
func TestPointerOfLFSIsNotMounted(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	commit := s.commit("one", `"./site:/site:ro"`, "", "")
	commit["site/movie"] = gittest.Text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
	_, run := s.Push("pointer", commit)
	producttest.MustEnd(t, run, state.RunFailed)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "site/movie is a pointer of Git LFS") || !strings.Contains(text, "git lfs migrate export") {
		t.Errorf("preflight:\n%s", text)
	}
}
