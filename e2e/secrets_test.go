package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// Every secret of the product is made to travel as far as it can, and then
// looked for everywhere but where it belongs.
func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image, port, outside := p.Image(), freePort(t), newGate(t)
	canaries := maps.Clone(p.Keys)
	canaries["env"] = `canary+env/"` + p.Keys["viewer"][len("canary-viewer-"):] + `"&end`
	canaries["old env"] = "canary-old-env-" + p.Keys["admin"][len("canary-admin-"):]
	canaries["env_file"] = "canary-env_file=" + p.Keys["hook"][len("canary-hook-"):]
	h := newHunt(t, canaries)
	if !h.finds("a password: " + canaries["env"]) {
		t.Fatal("the hunt finds nothing")
	}

	compose := func(more string) gittest.File {
		return gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    environment: {API_SECRET: "${API_SECRET}", %s}
    env_file: web.env
    secrets: [api]
    ports: ["127.0.0.1:%s:8080"]
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
secrets: {api: {environment: API_SECRET}}
`, image, more, port))
	}
	verify := func(want string) gittest.File {
		return gittest.Text(fmt.Sprintf(`verify:
  - {check: http, url: "http://127.0.0.1:%s/?env=API_SECRET&env=FILE_SECRET&token=${API_SECRET}", body: {contains: %q}}
  - {check: http, url: "%s?token=${API_SECRET}"}
`, port, want, outside.url))
	}
	env := func(name string) gittest.File { return p.Sealed("API_SECRET='" + canaries[name] + "'\n") }
	outside.open()

	_, run := p.Push("good", gittest.Files{
		"compose.yaml": compose("ROUND: one"), "pipeline.yaml": verify("API_SECRET"), ".env.production": env("old env"),
		"web.env": p.Sealed("FILE_SECRET=" + canaries["env_file"] + "\n"),
	})
	producttest.MustEnd(t, run, state.RunSucceeded)
	first := run.ID

	// What the live release's own check sees before the change is of the old env.
	outside.answer(500, "the old one is "+canaries["old env"]+", the file's "+canaries["env_file"])
	_, run = p.Push("another secret, while the outside is down", gittest.Files{".env.production": env("env"), "compose.yaml": compose("ROUND: two")})
	producttest.MustEnd(t, run, state.RunRolledBack)
	mustBeMasked(t, run, state.StagePreflight, state.StageVerify)
	outside.open()

	_, run = p.Push("a site that shows its secrets", gittest.Files{"pipeline.yaml": verify("something else")})
	producttest.MustEnd(t, run, state.RunRolledBack)
	mustBeMasked(t, run, state.StageVerify)

	_, run = p.Push("a container that prints its secret and crashes", gittest.Files{
		"pipeline.yaml": verify("API_SECRET"), "compose.yaml": compose(`VERSION: "${API_SECRET}", EXIT_AFTER: 50ms, EXIT_CODE: "3", HEALTH_AFTER: 1m`)})
	producttest.MustEnd(t, run, state.RunRolledBack)
	if log := p.RunLog(run.ID); !strings.Contains(log, "testapp: version [redacted] starts") {
		t.Errorf("the container's words have not come as far as the log:\n%s", log)
	}

	_, run = p.Push("a check of the key", gittest.Files{"compose.yaml": compose("ROUND: three"),
		"pipeline.yaml": gittest.Text("preflight: [{check: env, matches: {API_SECRET: '^never'}, equals: {API_SECRET: never}}]\n")})
	producttest.MustEnd(t, run, state.RunFailed)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "API_SECRET") {
		t.Errorf("the failed preflight does not name the key:\n%s", text)
	}

	_, run = p.Push("good again", gittest.Files{"pipeline.yaml": verify("API_SECRET"), "compose.yaml": compose("ROUND: four")})
	producttest.MustEnd(t, run, state.RunSucceeded)

	// Nothing is decrypted for a rollback: what it masks comes from the kept release.
	outside.answer(500, "a page with "+canaries["old env"]+" and "+canaries["env_file"])
	if _, code := p.CLI("rollback", p.Stack, "--to", first, "--reason", "canaries"); code != 1 {
		t.Errorf("a rollback that fails exits with %d", code)
	}
	run = p.History()[0]
	producttest.MustEnd(t, run, state.RunRolledBack)
	mustBeMasked(t, run, state.StageVerify)

	if !h.finds(h.labels(p)) {
		t.Error("no container got its secrets")
	}
	h.answers(p)
	h.look("the server's log", p.Log.String())
	if h.commandLines() == 0 {
		t.Error("no process of deployer was seen")
	}
	belongs := func(path string) bool { return strings.HasPrefix(path, p.Memory) }
	if files := h.folders(belongs, p.Path("data"), p.Path("tmp"), "/tmp/deployer*", "/dev/shm/deployer*", "/run/deployer*"); files < 10 {
		t.Errorf("only %d files were looked at", files)
	}
	mustLieInMemory(t, p.Memory, canaries["env"])
}

// evidence is all that the steps of some stages say.
func evidence(run *state.Run, stages ...state.StageName) string {
	var text strings.Builder
	for _, name := range stages {
		if stage := run.Stage(name); stage != nil {
			for _, step := range stage.Steps {
				fmt.Fprintln(&text, step.Name, step.Status, step.Message, step.Hint)
			}
		}
	}
	return text.String()
}

// mustBeMasked makes sure that a secret came as far as each of the stages.
func mustBeMasked(t *testing.T, run *state.Run, stages ...state.StageName) {
	t.Helper()
	for _, name := range stages {
		if text := evidence(run, name); !strings.Contains(text, "[redacted]") {
			t.Errorf("%s: no secret has come as far as %s:\n%s", run.Subject, name, text)
		}
	}
}

// mustLieInMemory makes sure that the secret is in a file below folder that
// only its owner may read and that is on no disk.
func mustLieInMemory(t *testing.T, folder, secret string) {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Errorf("%s is not on tmpfs: %v", folder, err)
	}
	found := 0
	_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if raw, err := os.ReadFile(path); err == nil && string(raw) == secret {
			found++
		}
		return nil
	})
	if found != 1 {
		t.Errorf("the secret that a container mounts is in %d files below %s", found, folder)
	}
}

// The server's own environment is none of a stack's business.
func TestServersEnvironmentDoesNotReachAStack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	service := func(environment string) gittest.File {
		return gittest.Text(fmt.Sprintf("services: {web: {image: %s, environment: %s}}\n", image, environment))
	}
	_, run := p.Push("interpolates", gittest.Files{"compose.yaml": service(`{LEAK: "${PROCESS_CANARY}"}`)})
	producttest.MustEnd(t, run, state.RunFailed)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "PROCESS_CANARY") {
		t.Errorf("the undefined variable is not named:\n%s", text)
	}
	_, run = p.Push("passes on", gittest.Files{"compose.yaml": service("[PROCESS_CANARY]")})
	producttest.MustEnd(t, run, state.RunSucceeded)
	h := newHunt(t, map[string]string{"process": "must-not-reach-a-container"})
	h.look("the container's environment", h.labels(p))
	h.look("the server's log", p.Log.String())
}
