package secrets_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/decrypt"
	"github.com/google/go-cmp/cmp"

	"deployer/secrets"
)

// seal encrypts a file as its name says.
func seal(t testing.TB, name, plain, regex string, recipients ...string) []byte {
	t.Helper()
	data, err := secrets.EncryptFile(name, []byte(plain), recipients, regex)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func openFile(t testing.TB, ring secrets.Keyring, name string, data []byte) *secrets.File {
	t.Helper()
	f, err := ring.OpenFile(t.Context(), name, data)
	if err != nil {
		t.Fatal(err)
	}
	if f == nil {
		t.Fatalf("%s is taken for a plain file:\n%s", name, data)
	}
	return f
}

func reveal(values []secrets.Value) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.Reveal())
	}
	slices.Sort(out)
	return out
}

// plainFiles are files of every format, as SOPS writes them.
var plainFiles = map[string]struct {
	name, plain string
	secrets     []string // all of them
}{
	"YAML": {"app.yaml", "# canary of a comment\ndb:\n    user: canary-user\n    port: 543210\n    ratio: 0.125\n    tls: true\n    hosts:\n        - canary-host\n        - \"\"\n",
		[]string{"0.125", "543210", "canary of a comment", "canary-host", "canary-user"}},
	"YAML with two documents": {"app.yml", "a: canary-one\n---\nb: canary-two\n", []string{"canary-one", "canary-two"}},
	"JSON":                    {"app.json", "{\n\t\"db\": {\n\t\t\"password\": \"canary\",\n\t\t\"ports\": [\n\t\t\t543210\n\t\t]\n\t}\n}\n", []string{"543210", "canary"}},
	"JSON of one value":       {"app.json", "{\n\t\"data\": \"canary\"\n}\n", []string{"canary"}},
	"INI":                     {"app.ini", "[db]\npassword = canary=1\nuser     = canary-user\n", []string{"canary-user", "canary=1"}},
	"dotenv":                  {"app.env", "A=canary-a\nB=canary b\n", []string{"canary b", "canary-a"}},
}

func TestFilesOfEveryFormatComeBack(t *testing.T) {
	k := newKey(t)
	for name, tt := range plainFiles {
		t.Run(name, func(t *testing.T) {
			data := seal(t, tt.name, tt.plain, "", k.recipient)
			if !secrets.IsEncryptedFile(data) || bytes.Contains(data, []byte("canary")) {
				t.Fatalf("not encrypted:\n%s", data)
			}
			f := openFile(t, k.ring(), "apps/"+tt.name, data)
			if got := f.Content().Reveal(); got != tt.plain {
				t.Errorf("it reads\n%q, want\n%q", got, tt.plain)
			}
			if diff := cmp.Diff(tt.secrets, reveal(f.Secrets())); diff != "" {
				t.Error(diff)
			}
			t.Setenv("SOPS_AGE_KEY", k.identity)
			if got, err := decrypt.DataWithFormat(data, formats.FormatForPath(tt.name)); err != nil || string(got) != tt.plain {
				t.Errorf("SOPS itself reads %q, %v", got, err)
			}
			if f.Path() != "apps/"+tt.name {
				t.Errorf("path %q", f.Path())
			}
		})
	}
}

func TestBinaryFilesComeBackByteByByte(t *testing.T) {
	k := newKey(t)
	random := "\x00\xff\xfe\r\n\x80canary\x01"
	pem := "-----BEGIN PRIVATE KEY-----\r\nY2FuYXJ5LW9mLWEta2V5\r\nc2Vjb25k\r\n-----END PRIVATE KEY-----"
	config := "[a]\n\nlisten = 80\n  token: 'canary-token'\nx\n"
	for name, tt := range map[string]struct {
		file, plain   string
		masks, leaves []string
	}{
		"bytes":   {"app.p12", random, []string{random, "AP/+DQqAY2FuYXJ5AQ=="}, nil},
		"a key":   {"tls.key", pem, []string{"Y2FuYXJ5LW9mLWEta2V5", "c2Vjb25k"}, []string{"-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"}},
		"a text":  {"app.conf", config, []string{"canary-token", "token: 'canary-token'", "listen = 80"}, []string{"80", "x", "[a]"}},
		"empty":   {"empty", "", nil, nil},
		"env.bin": {".htpasswd", "admin:$2y$05$canaryhash", []string{"$2y$05$canaryhash"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			data := seal(t, tt.file, tt.plain, "no name of it", k.recipient)
			if tt.plain != "" && bytes.Contains(data, []byte("canary")) {
				t.Fatalf("encrypted_regex left it in clear:\n%s", data)
			}
			f := openFile(t, k.ring(), tt.file, data)
			if got := f.Content().Reveal(); got != tt.plain {
				t.Errorf("it reads %q, want %q", got, tt.plain)
			}
			r := secrets.NewRedactor()
			r.Add(f.Secrets()...)
			for _, text := range tt.masks {
				if got := r.Redact("<" + text + ">"); got != "<[redacted]>" {
					t.Errorf("%q is shown as %q", text, got)
				}
			}
			for _, text := range tt.leaves {
				if got := r.Redact(text); got != text {
					t.Errorf("%q is shown as %q", text, got)
				}
			}
		})
	}
}

func TestPartOfAFileIsEncrypted(t *testing.T) {
	k := newKey(t)
	const plain = "db:\n    host: public-host\n    password: canary-1\nauth:\n    tokens:\n        - canary-2\n"
	data := seal(t, "app.yaml", plain, "^(password|tokens)$", k.recipient)
	if !bytes.Contains(data, []byte("public-host")) || bytes.Contains(data, []byte("canary")) {
		t.Fatalf("the wrong part is encrypted:\n%s", data)
	}
	f := openFile(t, k.ring(), "app.yaml", data)
	if got := f.Content().Reveal(); got != plain {
		t.Errorf("it reads %q", got)
	}
	if got := reveal(f.Secrets()); !slices.Equal(got, []string{"canary-1", "canary-2"}) {
		t.Errorf("secret are %q", got)
	}
	if got := f.Names(); !slices.Equal(got, []string{"db.password", "auth.tokens"}) {
		t.Errorf("names %q", got)
	}
}

func TestPlainFilesAreNoneOfSops(t *testing.T) {
	for name, content := range map[string]string{
		"app.yaml":   "sops:\n  version: 3\n  mac: none\n",
		"a.yml":      "tool: sops\n",
		"app.json":   `{"sops": {"enabled": true}}`,
		"list.json":  `["sops"]`,
		"broken.yml": "{sops: [",
		"app.ini":    "[sop]\na = sops\n",
		"app.env":    "A=sops_version\n",
		"README":     "sops writes values as ENC[AES256_GCM,data:aaaa,iv:bbbb,tag:cccc,type:str]\n",
		"empty":      "",
	} {
		f, err := secrets.Keyring{}.OpenFile(t.Context(), name, []byte(content))
		if f != nil || err != nil || secrets.IsEncryptedFile([]byte(content)) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}

func TestFilesThatCannotBeOpenedSayWhy(t *testing.T) {
	k, stranger := newKey(t), newKey(t)
	yaml := func() string {
		return string(seal(t, "app.yaml", "db:\n    user: canary-1\n    password: canary-2\n", "", k.recipient))
	}
	env := seal(t, "app.env", "A=canary\n", "", k.recipient)
	cut := func(text, from string) string { before, _, _ := strings.Cut(text, from); return before }
	swap := func(text string) string { // both values are real ciphertext, in the wrong place
		lines := strings.Split(text, "\n")
		user, _ := strings.CutPrefix(lines[1], "    user: ")
		lines[2] = "    password: " + user
		return strings.Join(lines, "\n")
	}
	partly := string(seal(t, "app.yaml", "host: public\npassword: canary\n", "password", k.recipient))
	for name, tt := range map[string]struct {
		file, data string
		want       []string
	}{
		"no key":              {"app.yaml", string(seal(t, "app.yaml", "a: canary\n", "", stranger.recipient)), []string{"app.yaml: no key at hand", stranger.recipient, "sops rotate"}},
		"no key, binary":      {"tls.key", string(seal(t, "tls.key", "canary", "", stranger.recipient)), []string{"tls.key: no key at hand"}},
		"a value moved":       {"app.yaml", swap(yaml()), []string{"app.yaml: was changed without SOPS", "db.password", "sops edit"}},
		"a clear value moved": {"app.yaml", strings.Replace(partly, "public", "pub1ic", 1), []string{"app.yaml: was changed without SOPS", "MAC"}},
		"no metadata":         {"app.yaml", cut(yaml(), "sops:"), []string{"app.yaml: its values are encrypted", "missing", "restore"}},
		"broken metadata":     {"app.yaml", strings.Replace(yaml(), "lastmodified: \"2", "lastmodified: \"x", 1), []string{"app.yaml", "metadata"}},
		"no integrity code":   {"app.yaml", cut(yaml(), "    mac:"), []string{"app.yaml: was changed without SOPS", "MAC"}},
		"not what it is said": {"app.yaml", string(env), []string{"app.yaml: SOPS encrypted it as dotenv, and its name says yaml", "deployer secrets encrypt app.yaml"}},
		"YAML named JSON":     {"app.json", yaml(), []string{"as yaml", "says json"}},
		"JSON named ini":      {"app.ini", string(seal(t, "app.json", `{"a": "canary", "b": "canary"}`, "", k.recipient)), []string{"as json", "says ini"}},
		"too large":           {"tls.key", string(seal(t, "tls.key", strings.Repeat("canary", 1<<20/6), "", k.recipient)) + strings.Repeat(" ", 1<<20), []string{"1 MiB"}},
		"too many values":     {"app.conf", string(seal(t, "app.conf", manyLines(), "", k.recipient)), []string{"10000 secret values", "a file of its own"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := k.ring().OpenFile(t.Context(), tt.file, []byte(tt.data))
			if f != nil {
				t.Fatalf("it opens: %q", f.Content().Reveal())
			}
			wantError(t, err, tt.want...)
			known := (*secrets.Error)(nil)
			if !errors.As(err, &known) || known.NoKey != strings.HasPrefix(name, "no key") {
				t.Errorf("%#v", err)
			}
		})
	}
}

func manyLines() string {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "canary-line-%d\n", i)
	}
	return text.String()
}

func TestFileUnderAnyNameIsKnownByItsContent(t *testing.T) {
	k := newKey(t)
	for _, as := range []string{"a.yaml", "a.json", "a.ini", "a.env"} {
		data := seal(t, as, map[string]string{"a.yaml": "a: canary\nb: x\n", "a.json": `{"a": "canary", "b": "x"}`, "a.ini": "[s]\na = canary\n", "a.env": "A=canary\n"}[as], "", k.recipient)
		f := openFile(t, k.ring(), "app.conf", data)
		if !strings.Contains(f.Content().Reveal(), "canary") || len(reveal(f.Secrets())) == 0 {
			t.Errorf("%s: %q", as, f.Content().Reveal())
		}
	}
}

func TestKeptFileIsTheSame(t *testing.T) {
	k := newKey(t)
	f := openFile(t, k.ring(), "app.json", seal(t, "app.json", `{"a": "canary", "b": 1234567}`, "", k.recipient))
	kept, err := secrets.DecodeFile(f.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if kept.Path() != f.Path() || !kept.Content().Equal(f.Content()) || !slices.Equal(reveal(kept.Secrets()), reveal(f.Secrets())) || !slices.Equal(kept.Names(), f.Names()) {
		t.Error("it differs")
	}
	for _, damaged := range []string{"", "canary", `{"version": 9, "content": "Y2FuYXJ5"}`} {
		_, err := secrets.DecodeFile([]byte(damaged))
		wantError(t, err, "kept file")
	}
	if text := fmt.Sprintf("%v %+v %#v", f, f, f); strings.Contains(text, "canary") {
		t.Errorf("printed, it shows %s", text)
	}
}

func TestFilesAreEditedInTheirFormat(t *testing.T) {
	k := newKey(t)
	for _, tt := range []struct{ name, plain, next string }{
		{"app.yaml", "a: canary-1\nb: canary-2\n", "a: canary-1\nb: canary-3\n"},
		{"tls.key", "canary-1\nkey\n", "canary-2"},
	} {
		before := seal(t, tt.name, tt.plain, "", k.recipient)
		after, err := k.ring().Edit(t.Context(), tt.name, before, func(plain secrets.Value) (secrets.Value, error) {
			if plain.Reveal() != tt.plain {
				t.Errorf("to edit there is %q", plain.Reveal())
			}
			return secrets.NewValue(tt.next), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := openFile(t, k.ring(), tt.name, after).Content().Reveal(); got != tt.next {
			t.Errorf("%s reads %q", tt.name, got)
		}
		if tt.name == "app.yaml" && lineOf(t, before, "a:") != lineOf(t, after, "a:") {
			t.Error("a value that stayed has another ciphertext")
		}
	}
	_, err := k.ring().Edit(t.Context(), "app.yaml", seal(t, "app.yaml", "a: canary\n", "", k.recipient), func(secrets.Value) (secrets.Value, error) {
		return secrets.NewValue("- canary\n"), nil
	})
	wantError(t, err, "app.yaml", "cannot be read as yaml")
}
