package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/secrets"
	"deployer/state"
)

// A sealedSite is a stack of two services that read files which SOPS encrypted:
// web a YAML config, of which only the password is, and vault a key.
type sealedSite struct {
	*product
	web, vault string // ports
	image      string
}

func newSealedSite(t *testing.T) *sealedSite {
	t.Helper()
	p := newProduct(t)
	return &sealedSite{p, freePort(t), freePort(t), p.Image()}
}

func (s *sealedSite) compose() gittest.Files {
	return gittest.Files{
		"compose.yaml": gittest.Text(fmt.Sprintf(`x-app: &app
  image: %s
  user: "1000:1000"
  healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
services:
  web:
    <<: *app
    configs: [{source: app, target: /etc/app.yaml, mode: 0440}]
    ports: ["127.0.0.1:%s:8080"]
  vault:
    <<: *app
    secrets: [key]
    ports: ["127.0.0.1:%s:8080"]
configs: {app: {file: ./app.yaml}}
secrets: {key: {file: ./tls.key}}
`, s.image, s.web, s.vault)),
		"pipeline.yaml": gittest.Text(fmt.Sprintf("verify: [{check: http, url: \"http://127.0.0.1:%s/file?path=/etc/app.yaml\", body: {contains: 'greeting: hello'}}]\n", s.web)),
	}
}

func (s *sealedSite) config(greeting, password string) gittest.Files {
	return gittest.Files{"app.yaml": s.SealedFile("app.yaml", configText(greeting, password), "^password$")}
}

func (s *sealedSite) key(line string) gittest.Files {
	return gittest.Files{"tls.key": s.SealedFile("tls.key", keyText(line), "")}
}

func configText(greeting, password string) string {
	return "greeting: " + greeting + "\npassword: " + password + "\n"
}

func keyText(line string) string {
	return "-----BEGIN KEY-----\r\n" + line + "\r\n\x00\xff-----END KEY-----"
}

// mustRead makes sure of what a container reads, and with which mode.
func (s *sealedSite) mustRead(port, path, want, mode string) {
	s.t.Helper()
	res, err := http.Get("http://127.0.0.1:" + port + "/file?path=" + url.QueryEscape(path))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || string(raw) != want || res.Header.Get("X-Mode") != mode {
		s.t.Errorf("%s reads %q with mode %s, want %q with %s; %v", path, raw, res.Header.Get("X-Mode"), want, mode, err)
	}
}

func (s *sealedSite) mustReadConfig(greeting, password string) {
	s.t.Helper()
	s.mustRead(s.web, "/etc/app.yaml", configText(greeting, password), "-r--r-----")
}

func (s *sealedSite) mustReadKey(line string) {
	s.t.Helper()
	s.mustRead(s.vault, "/run/secrets/key", keyText(line), "-rw-------")
}

// recreated names the services that have other containers than before.
func recreated(before, after map[string]string) string {
	var names []string
	for _, service := range []string{"vault", "web"} {
		if before[service] != after[service] {
			names = append(names, service)
		}
	}
	return strings.Join(names, " ")
}

func TestEncryptedFilesOfConfigsAndSecrets(t *testing.T) {
	t.Parallel()
	s := newSealedSite(t)
	canaries := map[string]string{}
	for _, name := range []string{"password 1", "password 2", "password 3", "key 1", "key 2"} {
		canaries[name] = "canary-" + strings.ReplaceAll(name, " ", "-") + s.Keys["viewer"][len("canary-viewer"):]
	}
	h := newHunt(t, canaries)

	first, run := s.Push("first", and(s.compose(), s.config("hello 1", canaries["password 1"]), s.key(canaries["key 1"])))
	producttest.MustEnd(t, run, state.RunSucceeded)
	s.mustReadConfig("hello 1", canaries["password 1"])
	s.mustReadKey(canaries["key 1"])
	before := s.Containers()

	_, run = s.Push("encrypted anew", and(s.config("hello 1", canaries["password 1"]), s.key(canaries["key 1"])))
	producttest.MustEnd(t, run, state.RunUnchanged)

	commit := s.Repo.Commit("main", "another key", s.key(canaries["key 2"]))
	var plan string
	s.Call("admin", http.MethodPost, "/api/v1/stacks/"+s.Stack+"/plan", map[string]any{"commit": commit}, &plan)
	if !strings.Contains(plan, `{"name":"./tls.key","kind":"changed","why":"mounted by vault"}`) || !strings.Contains(plan, "mounts: ./tls.key") {
		t.Errorf("the plan does not say that the key changes: %s", plan)
	}
	h.look("the plan", plan)
	run = s.Wait(s.Announce(commit))
	producttest.MustEnd(t, run, state.RunSucceeded)
	s.mustReadKey(canaries["key 2"])
	after := s.Containers()
	if got := recreated(before, after); got != "vault" {
		t.Errorf("another key recreates %q", got)
	}

	_, run = s.Push("another password", s.config("hello 2", canaries["password 2"]))
	producttest.MustEnd(t, run, state.RunSucceeded)
	s.mustReadConfig("hello 2", canaries["password 2"])
	before = s.Containers()
	if got := recreated(after, before); got != "web" {
		t.Errorf("another config recreates %q", got)
	}

	_, run = s.Push("a bad one", s.config("bye", canaries["password 3"]))
	producttest.MustEnd(t, run, state.RunRolledBack)
	mustBeMasked(t, run, state.StageVerify) // the page shows the whole config
	s.mustReadConfig("hello 2", canaries["password 2"])
	s.mustReadKey(canaries["key 2"])
	if got := recreated(before, s.Containers()); got != "web" {
		t.Errorf("going back recreates %q", got)
	}

	s.retireTheKey()
	s.Repo.Commit("main", "hello again", s.config("hello 3", canaries["password 2"]))
	if out, code := s.CLI("rollback", s.Stack, "--to", first, "--reason", "encrypted to a key that is gone"); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	s.mustReadConfig("hello 1", canaries["password 1"])
	s.mustReadKey(canaries["key 1"])

	s.mustSurviveAReboot()
	if !h.finds(strings.Join(contentsOf(s.inMemory()), "\n")) {
		t.Error("no secret is where it belongs")
	}
	h.answers(s.product)
	h.look("the server's log", s.Log.String())
	h.labels(s.product)
	belongs := func(path string) bool { return strings.HasPrefix(path, s.Memory) }
	if files := h.folders(belongs, s.Path("data"), s.Path("tmp"), "/tmp/deployer*", "/dev/shm/deployer*", "/run/deployer*"); files < 5 {
		t.Errorf("only %d files were looked at", files)
	}
}

// retireTheKey gives the server another age key, and takes the old one away.
func (s *sealedSite) retireTheKey() {
	s.t.Helper()
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		s.t.Fatal(err)
	}
	s.Write("age-new.key", identity.Reveal())
	s.edit("/age.key]", "/age-new.key]")
	s.mustReload()
	if err := os.Remove(s.Path("age.key")); err != nil {
		s.t.Fatal(err)
	}
	s.Age = recipient
}

// mustSurviveAReboot takes away what is in memory, as a reboot does.
func (s *sealedSite) mustSurviveAReboot() {
	s.t.Helper()
	before := s.inMemory()
	s.Stop()
	for name := range before {
		if err := os.Remove(name); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Start()
	s.Eventually(time.Minute, "what is mounted is in memory again", func() bool {
		after := s.inMemory()
		for _, text := range []string{"hello 1", "BEGIN KEY"} {
			if !strings.Contains(strings.Join(contentsOf(after), "\n"), text) {
				return false
			}
		}
		return true
	})
}

func TestEncryptedFileThatCannotBeOpenedChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSealedSite(t)
	_, run := s.Push("good", and(s.compose(), s.config("hello", "canary-of-the-first"), s.key("canary-of-a-key")))
	producttest.MustEnd(t, run, state.RunSucceeded)
	before := s.Containers()

	_, stranger, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	ours := s.Age
	s.Age = stranger
	foreign := s.key("canary-of-another")
	s.Age = ours
	sealed, err := secrets.EncryptFile("app.yaml", []byte(configText("hello", "canary-of-the-first")), []string{s.Age}, "^password$")
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(sealed), "greeting: hello", "greeting: hullo", 1)
	for name, tt := range map[string]struct {
		files gittest.Files
		want  []string
	}{
		"for a key that is not here": {and(s.config("hello", "canary-of-the-first"), foreign), []string{"service vault", "tls.key: no key at hand decrypts it", stranger}},
		"changed by hand":            {and(s.key("canary-of-a-key"), gittest.Files{"app.yaml": gittest.Text(edited)}), []string{"service web", "app.yaml: was changed without SOPS", "sops edit"}},
	} {
		_, run = s.Push(name, tt.files)
		producttest.MustEnd(t, run, state.RunFailed)
		text := evidence(run, state.StagePreflight)
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: preflight does not say %q:\n%s", name, want, text)
			}
		}
		if strings.Contains(text, "canary") {
			t.Errorf("%s: preflight shows a secret:\n%s", name, text)
		}
	}
	if got := recreated(before, s.Containers()); got != "" {
		t.Errorf("%s were recreated", got)
	}
}

func contentsOf(files map[string]string) []string {
	var out []string
	for _, content := range files {
		out = append(out, content)
	}
	return out
}
