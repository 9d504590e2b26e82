package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/config"
	"deployer/internal/enginetest"
	"deployer/secrets"
	"deployer/state"
)

// newStack makes a small stack with an encrypted env file.
func newStack(t *testing.T) (dir, key string) {
	t.Helper()
	dir, key = newRepository(t)
	put(t, filepath.Join(dir, "pipeline.yaml"), `env_file: .env.production
preflight: [{check: env, equals: {HOST: shop-widgets.fr}}]
verify: [{check: http, url: "https://${HOST}/"}]
environments: {dev: {env_file: .env, compose: [compose.yaml, compose.dev.yaml], preflight: [], verify: []}}
`)
	return dir, key
}

func reported(t *testing.T, o outcome) map[string]state.Step {
	t.Helper()
	var r stepReport
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		t.Fatalf("%v\n%s", err, o.out)
	}
	steps := map[string]state.Step{}
	for _, s := range r.Steps {
		steps[s.Name] = s
	}
	return steps
}

func TestCheckOfAGoodStack(t *testing.T) {
	dir, key := newStack(t)
	o := deployer(t, "", "check", dir, "--age-key", key, "--json")
	o.want(t, 0)
	steps := reported(t, o)
	for name, want := range map[string]state.StepStatus{
		"pipeline.yaml": state.StepPassed, "env file": state.StepPassed, "compose": state.StepPassed, "env": state.StepPassed,
		"placeholders": state.StepPassed, "engine": state.StepSkipped, "verify": state.StepSkipped,
	} {
		if steps[name].Status != want {
			t.Errorf("%s: %+v, want %s", name, steps[name], want)
		}
	}
	deployer(t, "", "check", dir, "--environment", "dev").want(t, 0, "not encrypted")
}

func TestCheckWithoutTheKeySkipsWhatNeedsIt(t *testing.T) {
	dir, _ := newStack(t)
	o := deployer(t, "", "check", dir, "--json")
	o.want(t, 0)
	for name, s := range reported(t, o) {
		if name != "pipeline.yaml" && s.Status != state.StepSkipped {
			t.Errorf("%s: %+v", name, s)
		}
	}
	o.never(t, "AGE-SECRET-KEY")
}

func TestCheckOfABadStack(t *testing.T) {
	for name, c := range map[string]struct {
		file, from, to string
		code           int
		want           string
	}{
		"unknown key":          {"pipeline.yaml", "verify:", "verifies:", 2, "verifies"},
		"another HOST":         {"pipeline.yaml", "{HOST: shop-widgets.fr}", "{HOST: x.test}", 1, `HOST is "shop-widgets.fr", want "x.test"`},
		"undefined in verify":  {"pipeline.yaml", "https://${HOST}/", "https://${HOTS}/", 1, "HOTS"},
		"undefined in compose": {"compose.yaml", "registry.${HOST}", "registry.${HOTS}", 1, "HOTS"},
		"compose is broken":    {"compose.yaml", "services:", "servces:", 1, "servces"},
		"changed by hand":      {".env.production", "HOST=shop-widgets.fr", "HOST=x.test", 1, "changed without SOPS"},
		"image placeholder":    {"compose.yaml", "registry:3", "registry:CHANGE_ME", 1, "placeholders were left"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, key := newStack(t)
			file := filepath.Join(dir, c.file)
			text := read(t, file)
			if !strings.Contains(text, c.from) {
				t.Fatalf("%s has no %q", c.file, c.from)
			}
			put(t, file, strings.Replace(text, c.from, c.to, 1))
			deployer(t, "", "check", dir, "--age-key", key).want(t, c.code, c.want)
		})
	}
	deployer(t, "", "check", filepath.Join(t.TempDir(), "none")).want(t, 2)
	several, _ := newStack(t)
	put(t, filepath.Join(several, "pipeline.yaml"), "verfy: []\nprofles: []\n")
	deployer(t, "", "check", several).want(t, 2, "[1:1] unknown key verfy", "\n                       [2:1] unknown key profles")
	dir, key := newStack(t)
	deployer(t, "", "check", dir, "--environment", "staging", "--age-key", key).want(t, 2, "staging")
}

func TestCheckOfAStackWithEncryptedFiles(t *testing.T) {
	dir, key := newStack(t)
	recipients, err := secrets.RecipientsOf(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secrets.EncryptFile("tls.key", []byte("canary-of-a-key\n"), recipients, "")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:1', secrets: [key]}}\nsecrets: {key: {file: ./tls.key}}\n")
	put(t, filepath.Join(dir, "tls.key"), string(sealed))
	put(t, filepath.Join(dir, ".env.production"), "HOST=shop-widgets.fr\n")
	o := deployer(t, "", "check", dir, "--age-key", key)
	o.want(t, 0, "1 service,")
	o.never(t, "canary")

	o = deployer(t, "", "check", dir, "--json")
	o.want(t, 0)
	steps := reported(t, o)
	for name, want := range map[string]state.StepStatus{"env file": state.StepPassed, "compose": state.StepSkipped, "env": state.StepSkipped, "verify": state.StepSkipped} {
		if steps[name].Status != want {
			t.Errorf("%s: %+v, want %s", name, steps[name], want)
		}
	}
	if s := steps["compose"]; !strings.Contains(s.Message, "tls.key: no key at hand") || !strings.Contains(s.Hint, "--age-key") {
		t.Errorf("compose: %+v", s)
	}

	put(t, filepath.Join(dir, "tls.key"), "in clear\n")
	deployer(t, "", "check", dir, "--policy", "strict").want(t, 1, "file of secrets tls.key", "secrets encrypt tls.key")
	put(t, filepath.Join(dir, "tls.key"), string(sealed))
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:1', volumes: ['./tls.key:/key:ro']}}\n")
	deployer(t, "", "check", dir, "--age-key", key).want(t, 1, "tls.key is encrypted with SOPS", "NAME: {file: ./tls.key}")
}

// TestCheckOfAFolderInARepository sees files beside the stack's folder, and
// nothing of what Git keeps.
func TestCheckOfAFolderInARepository(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, ".git", "HEAD"), "ref: refs/heads/main\n")
	put(t, filepath.Join(root, "shared", "base.yaml"), "services:\n  web: {image: web:1}\n")
	put(t, filepath.Join(root, "app", "compose.yaml"), "include: [../shared/base.yaml]\n")
	deployer(t, "", "check", filepath.Join(root, "app")).want(t, 0, "1 service,")
	if err := os.Remove(filepath.Join(root, ".git", "HEAD")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(root, ".git")); err != nil {
		t.Fatal(err)
	}
	deployer(t, "", "check", filepath.Join(root, "app")).want(t, 1, "base.yaml")
}

// newServer makes a deployer.yaml over a Git repository on this machine.
func newServer(t *testing.T, change func(string) string) (file string) {
	t.Helper()
	dir := t.TempDir()
	repo := filepath.Join(dir, "infra")
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", repo},
		{"-C", repo, "-c", "user.name=a", "-c", "user.email=a@shop.test", "commit", "-q", "--allow-empty", "-m", "first"},
	} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	_, key := newRepository(t)
	text := "listen: 127.0.0.1:0\ndata: " + filepath.Join(dir, "data") + "\nsecrets: {age_key_files: [" + key + "]}\n" +
		"repositories: {infra: {url: \"file://" + repo + "\"}}\nstacks: {app: {repository: infra}}\n"
	file = filepath.Join(dir, "deployer.yaml")
	put(t, file, change(text))
	return file
}

func same(text string) string { return text }

func TestDoctorOfAGoodServer(t *testing.T) {
	enginetest.Client(t)
	o := deployer(t, "", "doctor", "-c", newServer(t, same), "--json")
	o.want(t, 0)
	steps := reported(t, o)
	for _, name := range []string{"configuration", "data folder", "disk", "memory", "listen 127.0.0.1:0", "repository infra", "Engine unix:///var/run/docker.sock"} {
		if s := steps[name]; s.Status != state.StepPassed {
			t.Errorf("%s: %+v", name, s)
		}
	}
	o.want(t, 0, "Docker Engine", "branch main is at", "for age1")
}

func TestDoctorFindsWhatIsMissing(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(string) string
		code   int
		want   []string
	}{
		"no such file": {func(string) string { return "stack: {}\n" }, 2, []string{"stack"}},
		"no Engine": {func(s string) string {
			return strings.Replace(s, "{repository: infra}", "{repository: infra, target: {docker: \"unix:///nowhere.sock\"}}", 1)
		}, 1, []string{"does not answer", "systemctl status docker"}},
		"no repository": {func(s string) string { return strings.Replace(s, "/infra\"", "/infrared\"", 1) }, 1, []string{"repository infra", "check its url"}},
		"Git server that is down": {func(s string) string {
			before, after, _ := strings.Cut(s, "file://")
			_, after, _ = strings.Cut(after, "\"")
			return before + "http://127.0.0.1:1/infra.git\"" + after
		}, 1, []string{"remote unreachable", "see that the Git server answers this machine"}},
		"no branch": {func(s string) string {
			return strings.Replace(s, "{repository: infra}", "{repository: infra, branch: trunk}", 1)
		}, 1, []string{"trunk"}},
		"held port":   {func(s string) string { return strings.Replace(s, "127.0.0.1:0", held.Addr().String(), 1) }, -1, []string{"held by a program"}},
		"open folder": {func(s string) string { return strings.Replace(s, "data: ", "data: "+open+" #", 1) }, 1, []string{"is open to others", "chmod 700"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := deployer(t, "", "doctor", "-c", newServer(t, c.change))
			if c.code < 0 {
				c.code = o.code // the Engine decides: it is not what is looked at here
			}
			o.want(t, c.code, c.want...)
		})
	}
	deployer(t, "", "doctor", "-c", filepath.Join(open, "none")).want(t, 2, "none")
}

func TestDoctorComparesTheClock(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if f := skew(at.Add(10*time.Minute), at, "git.test"); f.status != state.StepFailed || !strings.Contains(f.message, "10m0s off") {
		t.Errorf("%+v", f)
	}
	if f := skew(at.Add(-2*time.Second), at, "git.test"); f.status != state.StepWarned {
		t.Errorf("%+v", f)
	}
}

func TestDoctorOfAPortThatIsHeld(t *testing.T) {
	held, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	_, port, _ := net.SplitHostPort(held.Addr().String())
	d := &doctor{config: &config.Config{Data: t.TempDir()}}
	if f := d.webPort(port); f.status != state.StepWarned || !strings.Contains(f.hint, "ss -ltnp") {
		t.Errorf("before the first start: %+v", f)
	}
	put(t, filepath.Join(d.config.Data, "deployer.db"), "")
	if f := d.webPort(port); f.status != state.StepPassed {
		t.Errorf("later: %+v", f)
	}
	if f := d.webPort(freeOf(t)); f.status != state.StepPassed || f.message != "free" {
		t.Errorf("a free one: %+v", f)
	}
}

func freeOf(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
