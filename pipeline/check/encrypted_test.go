package check

import (
	"strings"
	"testing"

	"deployer/secrets"
	"deployer/state"
)

const leaked = "c4nary/pa$$word"

// sealedWorld is a stack whose env file is really encrypted.
func sealedWorld(t *testing.T, files committedFiles) *World {
	t.Helper()
	_, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	data, err := secrets.EncryptDotenv([]byte("HOST=shop.org\nPASSWORD='"+leaked+"'\nUSER=operator1\n"), []string{recipient}, "PASSWORD|USER")
	if err != nil {
		t.Fatal(err)
	}
	c := committedFiles{
		"app/.env.production": string(data), "app/compose.yaml": "services: {web: {image: a}}\n",
		".sops.yaml": "creation_rules:\n  - path_regex: ^app/[.]env[.]production$\n    encrypted_regex: 'PASSWORD|USER'\n    age: " + recipient + "\n",
	}
	for name, content := range files {
		if c[name] = content; content == "" {
			delete(c, name)
		}
	}
	return &World{Tree: c.tree(), Dir: "app", Env: secrets.NewEnv("app/.env.production", secrets.IsEncrypted([]byte(c["app/.env.production"])),
		[]secrets.Var{public("HOST", "shop.org"), secret("PASSWORD", leaked), secret("USER", "operator1"), secret("PIN", "1234"), secret("TOKEN", "CHANGE_ME_PLEASE")})}
}

func TestTheEnvFileIsEncryptedAsTheRulesSay(t *testing.T) {
	_, other, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files  committedFiles
		status state.StepStatus
		parts  []string
	}{
		"agrees":     {nil, state.StepPassed, []string{"app/.env.production is encrypted", "1 other files"}},
		"in clear":   {committedFiles{"app/.env.production": "HOST=shop.org\nPASSWORD=" + leaked + "\n"}, state.StepFailed, []string{"app/.env.production is not encrypted", "deployer secrets encrypt app/.env.production"}},
		"no rules":   {committedFiles{".sops.yaml": ""}, state.StepWarned, []string{"not proven", ".sops.yaml"}},
		"other rule": {committedFiles{".sops.yaml": "creation_rules:\n  - path_regex: ^other\n    age: x\n"}, state.StepFailed, []string{"no matching creation rules", "path_regex matches app/.env.production"}},
		"the rule beside the file wins": {committedFiles{"app/.sops.yaml": "creation_rules:\n  - path_regex: ^[.]env\n    age: " + other + "\n"},
			state.StepFailed, []string{"is not encrypted for age " + other, "updatekeys"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "{check: encrypted}", sealedWorld(t, tt.files))
			want(t, r, tt.status, tt.parts...)
			never(t, r, "c4nary")
		})
	}
	want(t, run(t, "{check: encrypted}", &World{Env: environment()}), state.StepSkipped)
	want(t, run(t, "{check: encrypted}", &World{Tree: committedFiles{}.tree(), Env: secrets.NewEnv("", false, nil)}), state.StepSkipped)
}

func TestNoOtherFileHoldsASecret(t *testing.T) {
	for name, tt := range map[string]struct {
		path, content string
		part          string // of the failure; empty: none
	}{
		"the value":            {"app/web/app.conf", "a\nb = " + leaked + "\n", "web/app.conf holds the value of PASSWORD in clear (line 2)"},
		"as Compose escapes":   {"app/.env.dev", strings.ReplaceAll(leaked, "$", "$$"), ".env.dev holds the value of PASSWORD"},
		"in base64":            {"app/k8s.yaml", "x: YzRuYXJ5L3BhJCR3b3Jk", "k8s.yaml holds the value of PASSWORD"},
		"another secret":       {"app/notes.md", "log in as operator1", "the value of USER"},
		"a public value":       {"app/notes.md", "see shop.org", ""},
		"a short one":          {"app/notes.md", "1234", ""},
		"a placeholder":        {"app/.env.example", "TOKEN=CHANGE_ME_PLEASE", ""},
		"outside of the stack": {"other/app.conf", leaked, ""},
		"a private key":        {"app/tls.pem", "-----BEGIN EC PRIVATE" + " KEY-----\nMHc", "tls.pem holds a private key in clear (line 1)"},
		"an OpenSSH key":       {"app/id", "-----BEGIN OPENSSH PRIVATE" + " KEY-----\nMHc", "a private key"},
		"a certificate":        {"app/ca.pem", "-----BEGIN CERTIFICATE-----\nMHc", ""},
		"an age identity":      {"app/key", "AGE-SECRET-" + "KEY-1" + strings.Repeat("Q", 58), "an age identity"},
		"a GitHub token":       {"app/x", "token: ghp_" + strings.Repeat("a", 36), "a GitHub token"},
		"an AWS key":           {"app/x", "AKIA" + strings.Repeat("A", 16), "an AWS access key"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "{check: encrypted}", sealedWorld(t, committedFiles{tt.path: tt.content}))
			if tt.part == "" {
				want(t, r, state.StepPassed)
				return
			}
			want(t, r, state.StepFailed, tt.part)
			never(t, r, "c4nary")
			never(t, r, "operator1")
		})
	}
	w := sealedWorld(t, committedFiles{"app/a": leaked, "app/b": "operator1"})
	want(t, run(t, "{check: encrypted, ignore: [a, USER]}", w), state.StepPassed)
	want(t, run(t, "{check: encrypted, ignore: [a]}", w), state.StepFailed, "b holds the value of USER")
}
