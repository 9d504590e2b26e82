package secrets_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"deployer/secrets"
)

// TestMain keeps the keys of whoever runs the tests out of them.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "secrets-test-*")
	if err != nil {
		panic(err)
	}
	for _, name := range os.Environ() {
		name, _, _ = strings.Cut(name, "=")
		if strings.HasPrefix(name, "SOPS_") || strings.HasPrefix(name, "VAULT_") || strings.HasPrefix(name, "XDG_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("HOME", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// A key is an age key in a file.
type key struct{ identity, recipient, file string }

func newKey(t testing.TB) key {
	t.Helper()
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	k := key{identity.Reveal(), recipient, filepath.Join(t.TempDir(), "age.key")}
	write(t, k.file, "# a comment\n"+k.identity+"\n")
	return k
}

func (k key) ring() secrets.Keyring { return secrets.Keyring{AgeKeyFiles: []string{k.file}} }

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func encrypt(t testing.TB, plain, regex string, recipients ...string) []byte {
	t.Helper()
	data, err := secrets.EncryptDotenv([]byte(plain), recipients, regex)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, ring secrets.Keyring, data []byte) *secrets.Env {
	t.Helper()
	env, err := ring.Open(t.Context(), ".env.production", data)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func wantValue(t testing.TB, env *secrets.Env, name, want string) {
	t.Helper()
	v, ok := env.Lookup(name)
	if !ok {
		t.Fatalf("%s is missing", name)
	}
	if got := v.Value.Reveal(); got != want {
		t.Errorf("%s = %q, want %q", name, got, want)
	}
}

// wantError checks that the error says all of want and nothing of what the
// tests call a canary.
func wantError(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error does not say %q:\n%v", w, err)
		}
	}
	if strings.Contains(strings.ToLower(err.Error()), "canary") {
		t.Errorf("error shows a value:\n%v", err)
	}
}
