package secrets_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"deployer/secrets"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNothingPrintsASecret(t *testing.T) {
	value := secrets.NewValue("canary")
	env := secrets.NewEnv(".env", true, []secrets.Var{{Name: "A", Value: value, Secret: true}})
	vault := openVault(t)
	hidden := struct {
		value secrets.Value
		env   *secrets.Env
		vars  []secrets.Var
		doc   secrets.Document
		vault *secrets.Vault
	}{value, env, env.Vars(), env.Document(), vault}
	for _, v := range []any{value, &value, env, *env, env.Vars(), env.Document(), &hidden, hidden, map[string]any{"a": hidden}, vault} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("x", "v", v)
		}
		for _, form := range []string{"canary", "63616e617279", "Y2FuYXJ5", "99 97 110", "0x63, 0x61", "AGE-SECRET-KEY"} {
			if strings.Contains(out.String(), form) {
				t.Errorf("%T prints %q:\n%s", v, form, out.String())
			}
		}
	}
	if value.Reveal() != "canary" || !value.Equal(secrets.NewValue("canary")) || value.Equal(secrets.Value{}) || !(secrets.Value{}).Empty() {
		t.Error("a value does not hold its string")
	}
}

func TestDocumentIsReadAgainWithoutAKey(t *testing.T) {
	k := newKey(t)
	env := open(t, k.ring(), encrypt(t, "# c\nHOST=x\nPASSWORD=a$b\nURL=${HOST}:${PASSWORD}\n", "PASSWORD", k.recipient))
	if b, err := json.Marshal(env.Document()); err != nil || string(b) != `"[redacted]"` {
		t.Errorf("marshals to %s, %v", b, err)
	}
	d, err := secrets.DecodeDocument(env.Document().Encode())
	if err != nil {
		t.Fatal(err)
	}
	again, err := secrets.OpenDocument(d)
	if err != nil {
		t.Fatal(err)
	}
	if again.Path() != env.Path() || again.Encrypted() != env.Encrypted() {
		t.Errorf("path %q, encrypted %v", again.Path(), again.Encrypted())
	}
	if diff := cmp.Diff(env.Vars(), again.Vars()); diff != "" {
		t.Error(diff)
	}
}

func TestDocumentOfVariablesKeepsEveryValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOfN(rapid.RuneFrom([]rune("ab \\\"'$#{}\n\r\tné")), 0, 20, -1).Draw(t, "value")
		env := secrets.NewEnv(".env", false, []secrets.Var{{Name: "A", Value: secrets.NewValue(value)}})
		again, err := secrets.OpenDocument(env.Document())
		if err != nil {
			t.Fatal(err)
		}
		if got := again.Mapping()["A"]; got != value {
			t.Fatalf("%q becomes %q", value, got)
		}
	})
}

func TestDamagedDocumentIsRefusedWithoutItsText(t *testing.T) {
	for _, data := range []string{"", "canary", `{"version":1,"text":"canary!"}`, `{"version":"canary"}`, `{"version":2,"text":"Y2FuYXJ5"}`} {
		_, err := secrets.DecodeDocument([]byte(data))
		wantError(t, err, "kept env file")
	}
	_, err := secrets.OpenDocument(secrets.Document{Path: ".env", Text: secrets.NewValue("canary")})
	wantError(t, err, ".env:1:")
}
