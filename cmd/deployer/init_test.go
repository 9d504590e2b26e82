package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"deployer/examples"
	"deployer/pipeline"
	"deployer/pipeline/check"
	"deployer/project"
	"deployer/secrets"
)

func TestInitRegistryFillsEverythingIn(t *testing.T) {
	dir, key := newRepository(t)
	env := filepath.Join(dir, envName)
	for name, want := range map[string]string{
		"HOST": "shop-widgets.fr", "REGISTRY_USERNAME": "registry-admin", "REGISTRY_EXPOSE_PORT": "",
		"REGISTRY_TLS_CERTRESOLVER": "le", "REGISTRY_URL": "https://registry.shop-widgets.fr",
	} {
		if got := valueOf(t, env, key, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	user, hash, _ := strings.Cut(valueOf(t, env, key, "REGISTRY_HTPASSWD"), ":")
	password := valueOf(t, env, key, "REGISTRY_PASSWORD")
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); err != nil || user != "registry-admin" || len(password) < 40 {
		t.Errorf("user %q, %d characters, %v", user, len(password), err)
	}
	data := read(t, env)
	for _, name := range []string{"REGISTRY_PASSWORD", "REGISTRY_HTPASSWD"} {
		if !secrets.IsEncryptedName([]byte(data), name) {
			t.Errorf("%s is not encrypted", name)
		}
	}
	if !strings.Contains(data, "\nHOST=shop-widgets.fr\n") {
		t.Error("what is no credential cannot be read in a review")
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
	if text := read(t, filepath.Join(dir, "server/Traefik/traefik.yml")); !strings.Contains(text, `email: "ops@shop-widgets.fr"`) || strings.Contains(text, unfilled) {
		t.Error("traefik.yml has not the e-mail address")
	}
	for name := range strings.Lines(read(t, filepath.Join(dir, envName+".example"))) {
		if name, _, ok := strings.Cut(name, "="); ok && !strings.HasPrefix(name, "#") {
			valueOf(t, env, key, name)                        // production
			valueOf(t, filepath.Join(dir, ".env"), key, name) // development
		}
	}
}

func TestInitRegistryDevelopmentLetsItsOwnPasswordIn(t *testing.T) {
	dir, key := newRepository(t)
	_, hash, _ := strings.Cut(valueOf(t, filepath.Join(dir, ".env"), key, "REGISTRY_HTPASSWD"), ":")
	password := valueOf(t, filepath.Join(dir, ".env"), key, "REGISTRY_PASSWORD")
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); err != nil {
		t.Error(err)
	}
}

func TestInitRegistryOverwritesNothing(t *testing.T) {
	dir, key := newRepository(t)
	before := read(t, filepath.Join(dir, envName))
	deployer(t, "", "init", "registry", dir, "--domain", "other-widgets.fr", "--email", "ops@other-widgets.fr", "--age-key", key, "--yes").
		want(t, 2, "compose.yaml", "nothing is overwritten")
	if read(t, filepath.Join(dir, envName)) != before {
		t.Error("the env file has changed")
	}
	other := t.TempDir()
	put(t, filepath.Join(other, "pipeline.yaml"), "# mine\n")
	deployer(t, "", "init", "registry", other, "--domain", "other-widgets.fr", "--email", "ops@other-widgets.fr", "--age-key", key, "--yes").want(t, 2, "pipeline.yaml")
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

func TestInitRegistryReusesAKey(t *testing.T) {
	_, key := newRepository(t)
	before := read(t, key)
	var done registryDone
	o := deployer(t, "", "init", "registry", filepath.Join(t.TempDir(), "new"), "--domain", "shop-widgets.fr", "--email", "ops@shop-widgets.fr", "--age-key", key, "--yes", "--json")
	o.want(t, 0)
	if err := json.Unmarshal([]byte(o.out), &done); err != nil || done.KeyMade || !strings.HasPrefix(done.Recipient, "age1") {
		t.Errorf("%+v, %v", done, err)
	}
	if read(t, key) != before {
		t.Error("the key has changed")
	}
	o.never(t, "AGE-SECRET-KEY")
}

func TestInitRegistryRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(dir), link); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "age.key")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nobody to ask":     {nil, "--domain and --email"},
		"no e-mail":         {[]string{"--domain", "shop-widgets.fr"}, "--email"},
		"a URL":             {[]string{"--domain", "https://shop-widgets.fr", "--email", "a@shop-widgets.fr"}, "no domain"},
		"localhost":         {[]string{"--domain", "localhost", "--email", "a@shop-widgets.fr"}, "no domain"},
		"an address":        {[]string{"--domain", "192.0.2.1", "--email", "a@shop-widgets.fr"}, "no domain"},
		"no address":        {[]string{"--domain", "shop-widgets.fr", "--email", "ops"}, "no e-mail"},
		"user with a colon": {[]string{"--domain", "shop-widgets.fr", "--email", "a@shop-widgets.fr", "--username", "a:b"}, "colon"},
		"key inside":        {[]string{"--domain", "shop-widgets.fr", "--email", "a@shop-widgets.fr", "--age-key", filepath.Join(dir, "age.key")}, "could be committed"},
		"key inside by link": {[]string{"--domain", "shop-widgets.fr", "--email", "a@shop-widgets.fr",
			"--age-key", filepath.Join(link, "new", "keys", "age.key")}, "could be committed"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"init", "registry", dir, "--age-key", outside, "--yes"}, c.args...)
			deployer(t, "", args...).want(t, 2, c.want)
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
}

// resolve loads the example as deployer does for an environment.
func resolve(t *testing.T, dir, key, env string, files, profiles []string, change func(string) string) (*project.Project, error) {
	t.Helper()
	tree, err := project.OpenDirTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	keys := secrets.Keyring{AgeKeyFiles: []string{key}}
	text := []byte(read(t, filepath.Join(dir, env)))
	if change != nil {
		text = []byte(change(string(text)))
	}
	vars, err := keys.Open(t.Context(), env, text)
	if err != nil {
		t.Fatal(err)
	}
	return project.Load(t.Context(), project.Source{
		Tree: tree, Dir: ".", Files: files, Profiles: profiles, Name: "registry", Env: vars,
		Roots:  pipeline.NewRoots("/data", "/run/x", "registry"),
		Digest: func(...[]byte) string { return "digest" },
	})
}

func published(p *project.Project) (out []string) {
	for _, s := range p.Compose.Services {
		for _, port := range s.Ports {
			out = append(out, fmt.Sprintf("%s %s:%s:%d", s.Name, port.HostIP, port.Published, port.Target))
		}
	}
	slices.Sort(out)
	return out
}

// TestRegistryPortsOfEachEnvironment holds the example to what it says of the
// registry's own port.
func TestRegistryPortsOfEachEnvironment(t *testing.T) {
	dir, key := newRepository(t)
	production, err := resolve(t, dir, key, envName, []string{"compose.yaml"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := published(production), []string{"traefik :443:443", "traefik :80:80"}; !slices.Equal(got, want) {
		t.Errorf("production publishes %v, want %v", got, want)
	}
	both := []string{"compose.yaml", "compose.dev.yaml"}
	dev, err := resolve(t, dir, key, ".env", both, []string{"ui"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := published(dev), []string{"registry 127.0.0.1:5000:5000", "traefik :443:443", "traefik :80:80"}; !slices.Equal(got, want) {
		t.Errorf("development publishes %v, want %v", got, want)
	}
	_, err = resolve(t, dir, key, ".env", both, nil, func(s string) string { return strings.Replace(s, "EXPOSE_PORT=5000", "EXPOSE_PORT=", 1) })
	if err == nil || !strings.Contains(err.Error(), "REGISTRY_EXPOSE_PORT") {
		t.Errorf("an empty port in development: %v", err)
	}
	for _, p := range []*project.Project{production, dev} {
		if len(p.Undefined) > 0 {
			t.Errorf("undefined: %v", p.Undefined)
		}
	}
	if _, ok := production.Compose.Services["ui"]; ok {
		t.Error("the UI runs in production")
	}
	if _, ok := dev.Compose.Services["ui"]; !ok {
		t.Error("the UI does not run in development")
	}
}

// TestWhyTheRegistryPortHasAFileOfItsOwn shows the trap that compose.dev.yaml
// is there for: an empty variable leaves the choice of the port to the Engine.
func TestWhyTheRegistryPortHasAFileOfItsOwn(t *testing.T) {
	dir, key := newRepository(t)
	put(t, filepath.Join(dir, "trap.yaml"), "services:\n  registry:\n    image: registry:3\n    ports: [\"${REGISTRY_EXPOSE_PORT}:5000\"]\n")
	p, err := resolve(t, dir, key, envName, []string{"trap.yaml"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := published(p); !slices.Equal(got, []string{"registry ::5000"}) {
		t.Errorf("it publishes %v: where Compose refuses this by now, one compose file is enough", got)
	}
}

func TestRegistryHtpasswdReachesTheContainerAsItIs(t *testing.T) {
	dir, key := newRepository(t)
	p, err := resolve(t, dir, key, envName, []string{"compose.yaml"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := valueOf(t, filepath.Join(dir, envName), key, "REGISTRY_HTPASSWD")
	for _, m := range p.Mounts {
		if m.Kind == project.MountSecret && m.Target == "/run/secrets/htpasswd" {
			if got := m.Content.Reveal(); got != want {
				t.Errorf("it is %q, want %q", got, want)
			}
			return
		}
	}
	t.Errorf("no mount of /run/secrets/htpasswd on tmpfs: %+v", p.Mounts)
}

// needs skips a test of the whole example where a check of it is not there.
func needs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if !slices.Contains(check.Names(), name) {
			t.Skipf("this build has no check %q, which the example's pipeline.yaml uses", name)
		}
	}
}

var exampleChecks = []string{
	"acme", "acme_budget", "acme_rehearsal", "backup", "credentials", "disk", "dns", "encrypted", "example",
	"http", "images", "logs", "ports", "registry", "tls", "traefik",
}

func TestRegistryPipelineIsValid(t *testing.T) {
	needs(t, exampleChecks...)
	for _, environment := range []string{"", "production", "dev"} {
		if _, _, err := pipeline.ReadFile(examples.Registry(), ".", environment); err != nil {
			t.Errorf("%q: %v", environment, err)
		}
	}
}

func TestRegistryIsReadyToPush(t *testing.T) {
	needs(t, exampleChecks...)
	dir, key := newRepository(t)
	for _, environment := range []string{"production", "dev"} {
		deployer(t, "", "check", dir, "--environment", environment, "--age-key", key).want(t, 0, "passed   compose")
	}
	// Before init has filled it in, production is not.
	unfinished := t.TempDir()
	if err := os.CopyFS(unfinished, examples.Registry()); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(unfinished, envName), read(t, filepath.Join(unfinished, envName+".example")))
	deployer(t, "", "check", unfinished).want(t, 1, "placeholders were left", "is not encrypted")
}

func TestRegistryServerConfigurationIsValid(t *testing.T) {
	text := string(examples.RegistryServer())
	dir := t.TempDir()
	for _, name := range []string{"age.key", "git-token", "webhook"} {
		put(t, filepath.Join(dir, name), newSecret())
		text = strings.ReplaceAll(text, "/etc/deployer/"+name, filepath.Join(dir, name))
	}
	put(t, filepath.Join(dir, "deployer.yaml"), text)
	o := deployer(t, "", "doctor", "-c", filepath.Join(dir, "deployer.yaml"))
	o.want(t, 1, "passed", "configuration", "1 stacks") // the repository is none
}
