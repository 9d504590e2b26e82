package check

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// mountedWorld is a stack without an env file that mounts a YAML config and a
// key, both really encrypted.
func mountedWorld(t *testing.T, change func(recipient string) committedFiles) *World {
	t.Helper()
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "age.key")
	if err := os.WriteFile(file, []byte(identity.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := committedFiles{
		"app/compose.yaml": "services: {web: {image: a, configs: [app], secrets: [key]}}\nconfigs: {app: {file: ./app.yaml}}\nsecrets: {key: {file: ./tls.key}}\n",
		"app/app.yaml":     sealedText(t, "app.yaml", "# c4nary comment\ndb: {host: shop.org, password: c4nary-password}\n", "password", recipient),
		"app/tls.key":      sealedText(t, "tls.key", "c4nary-line-of-a-long-key\nshort line\n", "", recipient),
		".sops.yaml":       "creation_rules:\n  - path_regex: ^app/\n    encrypted_regex: 'password'\n    age: " + recipient + "\n",
	}
	if change != nil {
		maps.Copy(c, change(recipient))
	}
	tree := c.tree()
	p, err := project.Load(t.Context(), project.Source{
		Tree: tree, Dir: "app", Name: "shop", Roots: project.Roots{Objects: "/d/objects", Copies: "/d/copies", Data: "/d/data", Secrets: "/d/secrets"},
		Digest: func(...[]byte) string { return "0123456789abcdef" },
		OpenFile: func(name string, data []byte) (*secrets.File, error) {
			return secrets.Keyring{AgeKeyFiles: []string{file}}.OpenFile(t.Context(), name, data)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &World{Tree: tree, Dir: "app", Project: p, Env: secrets.NewEnv("", false, nil)}
}

func sealedText(t *testing.T, name, plain, regex, recipient string) string {
	t.Helper()
	data, err := secrets.EncryptFile(name, []byte(plain), []string{recipient}, regex)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestMountedFilesAreEncryptedAsTheRulesSay(t *testing.T) {
	_, other, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(recipient string) committedFiles
		status state.StepStatus
		parts  []string
	}{
		"agrees": {nil, state.StepPassed, []string{"encrypted: files of configs and secrets: 2"}},
		"a secret in clear": {func(string) committedFiles { return committedFiles{"app/tls.key": "in clear"} },
			state.StepFailed, []string{"app/tls.key is mounted as a secret, and is not encrypted", "secrets encrypt app/tls.key"}},
		"for more keys": {func(string) committedFiles {
			return committedFiles{".sops.yaml": "creation_rules:\n  - encrypted_regex: password\n    age: " + other + "\n"}
		}, state.StepFailed, []string{"app/app.yaml is not encrypted for age " + other, "app/tls.key can be opened by", "updatekeys --input-type yaml", "updatekeys --input-type binary"}},
		"a nested value in clear": {func(r string) committedFiles {
			return committedFiles{".sops.yaml": "creation_rules:\n  - encrypted_regex: password|host\n    age: " + r + "\n"}
		}, state.StepFailed, []string{"app/app.yaml has values in clear that .sops.yaml wants encrypted: db.host"}},
		"its value elsewhere": {func(string) committedFiles { return committedFiles{"app/notes.md": "it is c4nary-password"} },
			state.StepFailed, []string{"notes.md holds the value of db.password of app/app.yaml in clear (line 1)", "take it out"}},
		"a line of it elsewhere": {func(string) committedFiles { return committedFiles{"app/notes.md": "\nc4nary-line-of-a-long-key"} },
			state.StepFailed, []string{"notes.md holds the value of a line of app/tls.key in clear (line 2)"}},
		"a comment elsewhere": {func(string) committedFiles { return committedFiles{"app/notes.md": "c4nary comment, short line"} }, state.StepPassed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "{check: encrypted}", mountedWorld(t, tt.change))
			want(t, r, tt.status, tt.parts...)
			never(t, r, "c4nary")
		})
	}
	w := mountedWorld(t, func(string) committedFiles { return committedFiles{"app/tls.key": "in clear"} })
	want(t, run(t, "{check: encrypted, ignore: [tls.key]}", w), state.StepPassed)
}
