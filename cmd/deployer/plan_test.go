package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"deployer/secrets"
	"deployer/state"
)

// gitIn runs git in a folder with an identity of its own.
func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// committed is a stack in a folder of a repository, and its first commit.
func committed(t *testing.T) (dir, key, commit string) {
	t.Helper()
	root := t.TempDir()
	dir, key = filepath.Join(root, "shop"), filepath.Join(t.TempDir(), "age.key")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secrets.EncryptDotenv([]byte("PASSWORD=canary-of-a-plan\n"), []string{recipient}, "")
	if err != nil {
		t.Fatal(err)
	}
	put(t, key, identity.Reveal()+"\n")
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:1', environment: {OLD: '1', PASSWORD: \"${PASSWORD}\"}}, db: {image: 'db:1'}}\n")
	put(t, filepath.Join(dir, ".env.production"), string(sealed))
	put(t, filepath.Join(dir, ".env.production.example"), "PASSWORD=change-me\n")
	put(t, filepath.Join(dir, "pipeline.yaml"), "verify: []\n")
	gitIn(t, root, "init", "--quiet", "--initial-branch=main")
	gitIn(t, root, "add", "-A")
	gitIn(t, root, "commit", "--quiet", "-m", "one")
	return dir, key, gitIn(t, root, "rev-parse", "HEAD")
}

func plannedBy(t *testing.T, o outcome) *state.Changes {
	t.Helper()
	var answer struct{ Changes *state.Changes }
	if err := json.Unmarshal([]byte(o.out), &answer); err != nil {
		t.Fatalf("%v\n%s%s", err, o.out, o.err)
	}
	return answer.Changes
}

func TestPlanOfAFolder(t *testing.T) {
	dir, key, commit := committed(t)
	o := deployer(t, "", "plan", dir, "--age-key", key, "--json")
	o.want(t, 0)
	if c := plannedBy(t, o); !c.Empty() || c.Against != commit || len(c.Pipeline)+len(c.Images) != 0 {
		t.Errorf("nothing was changed: %s", o.out)
	}
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:2', ports: ['8080:80'], environment: {PASSWORD: \"${PASSWORD}\"}}}\n")
	put(t, filepath.Join(dir, "pipeline.yaml"), "verify: [{check: tcp, address: 'a:1'}]\n")
	o = deployer(t, "", "plan", dir, "--age-key", key)
	o.want(t, 0, "web:1 → web:2", "8080:80 of web", "opened", "OLD of web", "removed", "db", "+ verify: [{check: tcp", "placeholders")
	o.never(t, "canary-of-a-plan")

	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:${MISSING}'}}\n")
	deployer(t, "", "plan", dir, "--age-key", key).want(t, 1, "MISSING", "would stop before")
	put(t, filepath.Join(dir, "compose.yaml"), "services: [\n")
	deployer(t, "", "plan", dir, "--age-key", key).want(t, 2, "compose.yaml")
	deployer(t, "", "plan", dir, "--commit", commit).want(t, 2, "--commit goes with the name of a stack")
	deployer(t, "", "plan", filepath.Join(dir, "nothing")).want(t, 2)
	deployer(t, "", "plan", t.TempDir()).want(t, 2)
}

func TestPlanOfAFolderWithoutTheKey(t *testing.T) {
	dir, _, _ := committed(t)
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:1', command: go, environment: {PASSWORD: \"${PASSWORD}\"}}, db: {image: 'db:1'}}\n")
	o := deployer(t, "", "plan", dir, "--json")
	o.want(t, 0)
	c := plannedBy(t, o)
	if c.Services[1].Action != state.ActionRecreate || c.Services[0].Action != state.ActionKeep || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], ".env.production.example") {
		t.Errorf("got %s", o.out)
	}
	for _, s := range c.Checks {
		if s.Status != state.StepSkipped {
			t.Errorf("without the env file %+v", s)
		}
	}
}

func TestPlanOfAFolderWithAnEncryptedFile(t *testing.T) {
	dir, key, _ := committed(t)
	recipients, err := secrets.RecipientsOf(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(plain string) {
		sealed, err := secrets.EncryptFile("app.yaml", []byte(plain), recipients, "")
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "app.yaml"), string(sealed))
	}
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:1', configs: [app]}, db: {image: 'db:1'}}\nconfigs: {app: {file: ./app.yaml}}\n")
	put(t, filepath.Join(dir, ".env.production"), "HOST=shop.test\n")
	write("password: canary-of-a-plan-1\n")
	gitIn(t, dir, "add", "-A")
	gitIn(t, dir, "commit", "--quiet", "-m", "two")

	write("password: canary-of-a-plan-1\n")
	if c := plannedBy(t, deployer(t, "", "plan", dir, "--age-key", key, "--json")); !c.Empty() || len(c.Files) != 0 {
		t.Errorf("encrypted anew: %+v", c)
	}
	write("password: canary-of-a-plan-2\n")
	o := deployer(t, "", "plan", dir, "--age-key", key, "--json")
	o.never(t, "canary")
	if c := plannedBy(t, o); len(c.Files) != 1 || c.Files[0].Name != "./app.yaml" || c.Services[1].Action != state.ActionRecreate || c.Services[0].Action != state.ActionKeep {
		t.Errorf("another value: %s", o.out)
	}
	o = deployer(t, "", "plan", dir, "--json") // without the key, ciphertext is compared
	if c := plannedBy(t, o); len(c.Files) != 1 || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "no key at hand decrypts shop/app.yaml") {
		t.Errorf("without the key: %s", o.out)
	}
}

func TestPlanOfAFolderAgainstTheServer(t *testing.T) {
	dir, key, live := committed(t)
	root := filepath.Dir(dir)
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {image: 'web:2', environment: {PASSWORD: \"${PASSWORD}\"}}, db: {image: 'db:1'}}\n")
	gitIn(t, root, "commit", "--quiet", "-am", "two")
	answer := `{"name":"shop-live","live":{"commit":"` + live + `"}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/api/v1/stacks/shop-live" {
			t.Errorf("%s %s: a folder is not sent", r.Method, r.URL.Path)
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	args := []string{"plan", dir, "--age-key", key, "--server", server.URL, "--token", "t", "--stack", "shop-live", "--json"}
	if c := plannedBy(t, deployer(t, "", args...)); c.Against != live || len(c.Images) != 1 || c.Images[0].New != "web:2" {
		t.Errorf("got %+v", c)
	}
	if c := plannedBy(t, deployer(t, "", "plan", dir, "--age-key", key, "--json")); !c.Empty() {
		t.Errorf("HEAD is what is on the disk: %+v", c)
	}
	answer = `{"name":"shop-live"}`
	if c := plannedBy(t, deployer(t, "", args...)); c.Services[0].Action != state.ActionCreate || len(c.Notes) != 1 {
		t.Errorf("never deployed: %+v", c)
	}
	answer = `{"name":"shop-live","live":{"commit":"0123456789012345678901234567890123456789"}}`
	deployer(t, "", args...).want(t, 2, "git fetch")
}
