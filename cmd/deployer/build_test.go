package main

import (
	"path/filepath"
	"testing"

	"deployer/secrets"
)

// builtStack is a stack whose web is built from the stack's own folder, with an
// env file and a YAML file that SOPS encrypted.
func builtStack(t *testing.T) (dir, key string) {
	t.Helper()
	dir, key, _ = committed(t)
	recipients, err := secrets.RecipientsOf(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secrets.EncryptFile("app.yaml", []byte("password: canary-of-a-build\n"), recipients, "")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "app.yaml"), string(sealed))
	put(t, filepath.Join(dir, "compose.yaml"), "services: {web: {build: .}, db: {image: 'db:1'}}\n")
	put(t, filepath.Join(dir, "pipeline.yaml"), "deploy: {build: true}\n")
	return dir, key
}

func TestCiphertextInABuildIsSeenOnTheDesk(t *testing.T) {
	dir, key := builtStack(t)
	const named = "line 2 of Dockerfile copies ./app.yaml, which is encrypted with SOPS"
	dockerfile := filepath.Join(dir, "Dockerfile")
	looks := map[string][]string{"check": {"check", dir, "--age-key", key}, "plan": {"plan", dir, "--age-key", key}, "plan without the key": {"plan", dir}}
	wants := func(dockerfile string, code int, parts ...string) {
		t.Helper()
		put(t, filepath.Join(dir, "Dockerfile"), dockerfile)
		for name, args := range looks {
			o := deployer(t, "", args...)
			o.want(t, code, parts...)
			o.never(t, "canary")
			o.never(t, "./.env.production, which")
			if len(parts) == 0 {
				o.never(t, "encrypted with SOPS")
			}
			if t.Failed() {
				t.Fatal(name)
			}
		}
	}
	wants("FROM x\nCOPY app.yaml /app.yaml\n", 1, named, "in plain, from memory", "An image that decrypts by itself")
	wants("FROM x\nCOPY . /app\n", 0, named, "list it in .dockerignore")
	wants("FROM x\nCOPY compose.yaml /\n", 0)
	put(t, filepath.Join(dir, ".dockerignore"), "*.yaml\n")
	wants("FROM x\nCOPY . /app\n", 0)

	// The env file is there by nature, until an instruction names it.
	put(t, dockerfile, "FROM x\nCOPY .env.production /app/.env\n")
	deployer(t, "", looks["check"]...).want(t, 1, "line 2 of Dockerfile copies ./.env.production")
}

// TestWhatNoServerRunsIsRefusedOnTheDesk holds a folder to what every server
// refuses, whatever its deployer.yaml says.
func TestWhatNoServerRunsIsRefusedOnTheDesk(t *testing.T) {
	dir, key := builtStack(t)
	put(t, filepath.Join(dir, "Dockerfile"), "FROM x\n")
	file := filepath.Join(dir, "compose.yaml")
	before := read(t, file)
	for name, c := range map[string]struct{ compose, want string }{
		"provider":   {"services: {web: {provider: {type: cloud}}}\n", "service web: provider: is not supported"},
		"models":     {"services: {web: {image: 'web:1', models: [m]}}\nmodels: {m: {model: 'ai/x'}}\n", "service web: models: is not supported"},
		"the socket": {"services: {web: {image: 'web:1', use_api_socket: true}}\n", "service web: use_api_socket: is not supported"},
		"build.ssh":  {"services: {web: {build: {context: ., ssh: [default]}}}\n", "service web: build: ssh is not supported"},
		"secrets":    {"services: {web: {build: {context: ., secrets: [s]}}}\nsecrets: {s: {environment: PASSWORD}}\n", "service web: build: secrets is not supported"},
		"two":        {"services: {web: {provider: {type: cloud}}, db: {image: 'db:1', use_api_socket: true}}\n", "2 of "},
	} {
		put(t, file, c.compose)
		for look, args := range map[string][]string{"check": {"check", dir, "--age-key", key}, "plan": {"plan", dir, "--age-key", key}, "plan without the key": {"plan", dir}} {
			if deployer(t, "", args...).want(t, 1, c.want); t.Failed() {
				t.Fatal(look, name)
			}
		}
	}
	// What is taken out again is no obstacle: only what would be pushed counts.
	gitIn(t, dir, "commit", "--quiet", "-am", "two")
	put(t, file, before)
	deployer(t, "", "plan", dir, "--age-key", key).want(t, 0)
}

func TestBuildThatCannotBeIsSeenOnTheDesk(t *testing.T) {
	dir, key := builtStack(t)
	o := deployer(t, "", "check", dir, "--age-key", key, "--json")
	o.want(t, 0, "seen in this folder: service web: build context ./: Dockerfile is not in the commit")
	put(t, filepath.Join(dir, "Dockerfile"), "FROM x\n")
	put(t, filepath.Join(dir, "pipeline.yaml"), "verify: []\n")
	deployer(t, "", "check", dir, "--age-key", key).want(t, 1, "building is off", "deploy: {build: true}")
}
