package main

import (
	"bytes"
	"go/build"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"deployer/secrets"
)

// TestMain keeps the keys and the editor of whoever runs the tests out of them,
// but for the caches: what tests work with is built there once.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "deployer-cmd-test-*")
	if err != nil {
		panic(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		panic(err)
	}
	for _, name := range os.Environ() {
		name, _, _ = strings.Cut(name, "=")
		for _, prefix := range []string{"SOPS_", "XDG_", "DEPLOYER_", "EDITOR", "VISUAL"} {
			if strings.HasPrefix(name, prefix) && name != "DEPLOYER_TEST_REQUIRE_ENGINE" {
				_ = os.Unsetenv(name)
			}
		}
	}
	for name, value := range map[string]string{"HOME": home, "XDG_CACHE_HOME": cache, "GOPATH": build.Default.GOPATH} {
		_ = os.Setenv(name, value)
	}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// An outcome is what a command line has left.
type outcome struct {
	out, err string
	code     int
}

// deployer runs a command line with a text on its stdin.
func deployer(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	code := execute(t.Context(), root, args)
	return outcome{out.String(), errs.String(), code}
}

// want fails the test unless the command ended with the code, and said all parts.
func (o outcome) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d, want %d\n%s%s", o.code, code, o.out, o.err)
	}
	for _, part := range parts {
		if !strings.Contains(o.out+o.err, part) {
			t.Errorf("it does not say %q:\n%s%s", part, o.out, o.err)
		}
	}
}

func (o outcome) never(t *testing.T, part string) {
	t.Helper()
	if strings.Contains(o.out+o.err, part) {
		t.Errorf("it says %q:\n%s%s", part, o.out, o.err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// valueOf is a variable of an env file as deployer reads it.
func valueOf(t *testing.T, file, key, name string) string {
	t.Helper()
	env, err := secrets.Keyring{AgeKeyFiles: []string{key}}.Open(t.Context(), file, []byte(read(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	v, ok := env.Lookup(name)
	if !ok {
		t.Fatalf("%s is not in %s", name, file)
	}
	return v.Value.Reveal()
}

// newRepository makes the registry's repository, and returns its folder and key.
func newRepository(t *testing.T) (dir, key string) {
	t.Helper()
	base := t.TempDir()
	dir, key = filepath.Join(base, "registry"), filepath.Join(base, "age.key")
	deployer(t, "", "init", "registry", dir, "--domain", "shop-widgets.fr", "--email", "ops@shop-widgets.fr", "--age-key", key, "--yes").want(t, 0)
	return dir, key
}
