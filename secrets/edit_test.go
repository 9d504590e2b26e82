package secrets_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/decrypt"
	"pgregory.net/rapid"

	"deployer/secrets"
)

const credentials = "(PASSWORD|TOKEN)$"

// lineOf returns the line of a file that begins with a name.
func lineOf(t *testing.T, text []byte, name string) string {
	t.Helper()
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, name) {
			return line
		}
	}
	t.Fatalf("no line of %s", name)
	return ""
}

func TestEditKeepsTheCiphertextOfWhatStays(t *testing.T) {
	k := newKey(t)
	before := encrypt(t, "# for the app\nHOST=example.com\nDB_PASSWORD=canary-1\nAPI_TOKEN=canary-2\n", credentials, k.recipient)
	after, err := k.ring().Edit(t.Context(), ".env.production", before, func(plain secrets.Value) (secrets.Value, error) {
		text := strings.Replace(plain.Reveal(), "canary-2", "canary-3", 1)
		return secrets.NewValue(strings.Replace(text, "example.com", "example.org", 1)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lineOf(t, before, "DB_PASSWORD") != lineOf(t, after, "DB_PASSWORD") {
		t.Error("a value that stayed has another ciphertext")
	}
	if lineOf(t, before, "API_TOKEN") == lineOf(t, after, "API_TOKEN") {
		t.Error("a value that changed has the same ciphertext")
	}
	if got := lineOf(t, after, "HOST"); got != "HOST=example.org\n" {
		t.Errorf("the public value reads %q", got)
	}
	wantValue(t, open(t, k.ring(), after), "API_TOKEN", "canary-3")
	wantValue(t, open(t, k.ring(), after), "DB_PASSWORD", "canary-1")
}

func TestEditWithoutAChangeGivesTheSameFile(t *testing.T) {
	k := newKey(t)
	before := encrypt(t, "A_TOKEN=canary\n", credentials, k.recipient)
	after, err := k.ring().Edit(t.Context(), "f", before, func(plain secrets.Value) (secrets.Value, error) { return plain, nil })
	if err != nil || string(after) != string(before) {
		t.Errorf("got %v and a file that differs", err)
	}
}

func TestEditRefusesWhatCouldNotBeReadAgain(t *testing.T) {
	k := newKey(t)
	before := encrypt(t, "A_TOKEN=canary\n", credentials, k.recipient)
	for name, text := range map[string]string{
		"no equals":    "A_TOKEN\n",
		"twice":        "A_TOKEN=canary\nA_TOKEN=canary2\n",
		"open quote":   "A_TOKEN='canary\n",
		"several line": "A_TOKEN=\"canary\nmore\"\n",
	} {
		_, err := k.ring().Edit(t.Context(), "f", before, func(secrets.Value) (secrets.Value, error) { return secrets.NewValue(text), nil })
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		wantError(t, err, "f")
	}
	if _, err := k.ring().Decrypt(t.Context(), "f", []byte("A=1\n")); !errors.Is(err, secrets.ErrPlain) {
		t.Errorf("a plain file: %v", err)
	}
}

// inFolder makes a folder with a .sops.yaml and goes there.
func inFolder(t *testing.T, rules string) (file string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".sops.yaml"), rules)
	return filepath.Join(dir, ".env.production")
}

func rulesFor(recipients ...string) string {
	return "creation_rules:\n  - path_regex: (^|/)\\.env\\.production$\n    encrypted_regex: " + credentials + "\n    age: " + strings.Join(recipients, ",") + "\n"
}

func TestRulesOfSopsYamlDecide(t *testing.T) {
	k, other := newKey(t), newKey(t)
	file := inFolder(t, rulesFor(k.recipient, other.recipient))
	rules, err := secrets.FindRules(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := rules.Recipients(); len(got) != 2 || got[0] != k.recipient {
		t.Errorf("recipients %v", got)
	}
	data, err := rules.Encrypt([]byte("# why\nHOST=example.com\nDB_PASSWORD='canary $1 #2'\n"))
	if err != nil {
		t.Fatal(err)
	}
	if lineOf(t, data, "HOST") != "HOST=example.com\n" || lineOf(t, data, "# why") != "# why\n" || strings.Contains(string(data), "canary") {
		t.Errorf("encrypted the wrong lines:\n%s", data)
	}
	for _, k := range []key{k, other} {
		wantValue(t, open(t, k.ring(), data), "DB_PASSWORD", "canary $1 #2")
	}
	// SOPS's own reading agrees.
	t.Setenv("SOPS_AGE_KEY_FILE", k.file)
	plain, err := decrypt.DataWithFormat(data, formats.Dotenv)
	if err != nil || string(plain) != "# why\nHOST=example.com\nDB_PASSWORD='canary $1 #2'\n" {
		t.Errorf("SOPS reads %q, %v", plain, err)
	}
}

func TestRotateFollowsTheRecipients(t *testing.T) {
	leaves, stays, comes := newKey(t), newKey(t), newKey(t)
	before := encrypt(t, "DB_PASSWORD=canary\n", credentials, leaves.recipient, stays.recipient)
	rules, err := secrets.FindRules(inFolder(t, rulesFor(stays.recipient, comes.recipient)))
	if err != nil {
		t.Fatal(err)
	}
	after, err := rules.Rotate(t.Context(), stays.ring(), before)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []key{stays, comes} {
		wantValue(t, open(t, k.ring(), after), "DB_PASSWORD", "canary")
	}
	var own *secrets.Error
	if _, err := leaves.ring().Open(t.Context(), "f", after); !errors.As(err, &own) || !own.NoKey {
		t.Errorf("who left still reads it, or fails for another reason: %v", err)
	}
	if lineOf(t, before, "DB_PASSWORD") == lineOf(t, after, "DB_PASSWORD") {
		t.Error("the data key is the same")
	}
}

func TestRulesThatAreMissingOrWrong(t *testing.T) {
	k := newKey(t)
	for name, c := range map[string]struct{ rules, want string }{
		"placeholder": {rulesFor("CHANGE_ME_IN_PRODUCTION"), "has no rule"},
		"other file":  {strings.Replace(rulesFor(k.recipient), "production", "staging", 1), "has no rule"},
		"no key":      {"creation_rules:\n  - encrypted_regex: x\n", "names nobody"},
		"private key": {rulesFor(k.identity), "private key"},
		"no rules":    {"{}\n", "names nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := secrets.FindRules(inFolder(t, c.rules))
			wantError(t, err, c.want, ".sops.yaml")
			if strings.Contains(err.Error(), "AGE-SECRET-KEY") {
				t.Error("quotes the private key")
			}
		})
	}
	dir := t.TempDir()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	_, err := secrets.FindRules(filepath.Join(dir, ".env.production"))
	wantError(t, err, "no .sops.yaml")
}

func TestSetVarIsReadBackByCompose(t *testing.T) {
	k := newKey(t)
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.StringMatching(`[ -~]{0,12}|[a-z'"$#\\ {}\n=]{0,12}`).Draw(r, "value")
		text := secrets.NewValue("# first\nA=1\nB_PASSWORD=\"old\" # why\nC='x y'\n")
		set, err := secrets.SetVar("f", text, "B_PASSWORD", secrets.NewValue(value))
		if err != nil {
			r.Fatalf("%q: %v", value, err)
		}
		data, err := secrets.EncryptDotenv([]byte(set.Reveal()), []string{k.recipient}, credentials)
		if err != nil {
			r.Fatal(err)
		}
		env, err := k.ring().Open(t.Context(), "f", data)
		if err != nil {
			r.Fatal(err)
		}
		got, _ := env.Lookup("B_PASSWORD")
		if got.Value.Reveal() != value {
			r.Fatalf("%q came back as %q", value, got.Value.Reveal())
		}
		if len(env.Vars()) != 3 || env.Vars()[1].Name != "B_PASSWORD" {
			r.Fatalf("the file has other variables, or in another order")
		}
	})
}

func TestSetVarAddsAtTheEnd(t *testing.T) {
	for before, want := range map[string]string{"": "A=1\n", "B=2": "B=2\nA=1\n", "B=2\n": "B=2\nA=1\n"} {
		got, err := secrets.SetVar("f", secrets.NewValue(before), "A", secrets.NewValue("1"))
		if err != nil || got.Reveal() != want {
			t.Errorf("%q became %q, %v", before, got.Reveal(), err)
		}
	}
	_, err := secrets.SetVar("f", secrets.NewValue(""), "no name", secrets.NewValue("canary"))
	wantError(t, err, "no name of a variable")
}
