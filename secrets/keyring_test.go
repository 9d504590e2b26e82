package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"deployer/secrets"

	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/decrypt"
	"github.com/getsops/sops/v3/logging"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEncryptedFileComesBack(t *testing.T) {
	k := newKey(t)
	plain := "# who\nUSER=admin\nPASSWORD=correct horse\nEMPTY=\nURL=\"https://${USER}:${PASSWORD}@x\"\n"
	data := encrypt(t, plain, "", k.recipient)
	if !secrets.IsEncrypted(data) || bytes.Contains(data, []byte("horse")) || bytes.Contains(data, []byte("who")) {
		t.Fatalf("not encrypted:\n%s", data)
	}
	env := open(t, k.ring(), data)
	if !env.Encrypted() || env.Path() != ".env.production" {
		t.Errorf("encrypted %v, path %q", env.Encrypted(), env.Path())
	}
	wantValue(t, env, "URL", "https://admin:correct horse@x")
	for name, secret := range map[string]bool{"USER": true, "PASSWORD": true, "EMPTY": false, "URL": true} {
		if v, _ := env.Lookup(name); v.Secret != secret {
			t.Errorf("%s: secret is %v", name, v.Secret)
		}
	}
}

func TestSopsReadsWhatIsEncrypted(t *testing.T) {
	k := newKey(t)
	plain := "A=1\n#c\nB=x # y\n"
	t.Setenv("SOPS_AGE_KEY", k.identity)
	got, err := decrypt.DataWithFormat(encrypt(t, plain, "^B$", k.recipient), formats.Dotenv)
	if err != nil || string(got) != plain {
		t.Errorf("SOPS reads %q, %v", got, err)
	}
}

func TestEncryptedRegexLeavesTheRestPublic(t *testing.T) {
	k := newKey(t)
	env := open(t, k.ring(), encrypt(t, "HOST=example.com\nDB_PASSWORD=abc # def\nPORT=1 # p\nURL=x:${DB_PASSWORD}\n", "PASSWORD", k.recipient))
	type flags struct{ Secret, Changed bool }
	want := map[string]flags{
		"HOST": {}, "PORT": {},
		"DB_PASSWORD": {Secret: true, Changed: true}, // the comment was encrypted with it
		"URL":         {Secret: true},                // made of a secret
	}
	got := map[string]flags{}
	for _, v := range env.Vars() {
		got[v.Name] = flags{v.Secret, v.Changed}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := len(env.Secrets()); n != 2 {
		t.Errorf("%d secrets", n)
	}
}

func TestAnyRecipientsKeyOpens(t *testing.T) {
	a, b, stranger := newKey(t), newKey(t), newKey(t)
	data := encrypt(t, "A=value\n", "", a.recipient, b.recipient)
	for _, files := range [][]string{{a.file}, {b.file}, {stranger.file, b.file}, {"/does/not/exist", a.file}} {
		wantValue(t, open(t, secrets.Keyring{AgeKeyFiles: files}, data), "A", "value")
	}
}

func TestKeyFileIsReadAtEachUse(t *testing.T) {
	old, next := newKey(t), newKey(t)
	ring := old.ring()
	open(t, ring, encrypt(t, "A=1\n", "", old.recipient))
	write(t, old.file, old.identity+"\n"+next.identity+"\r\n")
	open(t, ring, encrypt(t, "A=1\n", "", old.recipient))
	open(t, ring, encrypt(t, "A=1\n", "", next.recipient))
	write(t, old.file, next.identity)
	if _, err := ring.Open(t.Context(), ".env", encrypt(t, "A=1\n", "", old.recipient)); err == nil {
		t.Error("the old key still opens")
	}
}

func TestKeysThatSopsFindsByItself(t *testing.T) {
	k := newKey(t)
	data := encrypt(t, "A=value\n", "", k.recipient)
	t.Run("SOPS_AGE_KEY", func(t *testing.T) {
		t.Setenv("SOPS_AGE_KEY", k.identity)
		wantValue(t, open(t, secrets.Keyring{}, data), "A", "value")
	})
	t.Run("SOPS_AGE_KEY_FILE beside a file that does not fit", func(t *testing.T) {
		t.Setenv("SOPS_AGE_KEY_FILE", k.file)
		wantValue(t, open(t, newKey(t).ring(), data), "A", "value")
	})
}

// Where no key fits, it is said what stands where SOPS looks, and no key is.
func TestPlacesWhereSopsLooksAreNamedWithWhatIsThere(t *testing.T) {
	k, other := newKey(t), newKey(t)
	data := encrypt(t, "A=value\n", "", other.recipient)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for file, want := range map[string]string{
		"":          "SOPS_AGE_KEY_FILE not set",
		k.file:      "SOPS_AGE_KEY_FILE=" + k.file + " (for " + k.recipient + ")",
		"/nowhere":  "SOPS_AGE_KEY_FILE=/nowhere (no such file or directory)",
		k.identity:  "SOPS_AGE_KEY_FILE set to what is no absolute path",
		"/dev/null": "SOPS_AGE_KEY_FILE=/dev/null (no age identity",
	} {
		t.Setenv("SOPS_AGE_KEY_FILE", file)
		_, err := secrets.Keyring{}.Open(t.Context(), ".env", data)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "keys.txt (no such file or directory)") || strings.Contains(err.Error(), "AGE-SECRET") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestNothingElseIsAskedWhileAnOwnKeyFits(t *testing.T) {
	k := newKey(t)
	ran := filepath.Join(t.TempDir(), "ran")
	t.Setenv("SOPS_AGE_KEY_CMD", "touch "+ran)
	open(t, k.ring(), encrypt(t, "A=1\n", "", newKey(t).recipient, k.recipient))
	if _, err := os.Stat(ran); err == nil {
		t.Error("the key command was run")
	}
}

func TestLineEndsAndByteOrderMark(t *testing.T) {
	k := newKey(t)
	data := string(encrypt(t, "A=one\n#c\nB=two\n", "A", k.recipient))
	// An editor on Windows saved the file before it was encrypted: a value then
	// ends in \r, and the first name begins with the mark.
	before := encryptAsIs(t, "\uFEFFA=one\r\nB=two\r\n", k)
	for name, data := range map[string]string{
		"CRLF after encryption": strings.ReplaceAll(data, "\n", "\r\n"),
		"mark after encryption": "\uFEFF" + data,
		"both":                  "\uFEFF" + strings.ReplaceAll(data, "\n", "\r\n"),
		"before encryption":     before,
	} {
		t.Run(name, func(t *testing.T) {
			env := open(t, k.ring(), []byte(data))
			wantValue(t, env, "A", "one")
			wantValue(t, env, "B", "two")
			if v, _ := env.Lookup("A"); !v.Secret {
				t.Error("A is not secret")
			}
		})
	}
}

func TestFileThatSopsTookForBinary(t *testing.T) {
	k := newKey(t)
	data := encryptBinary(t, "A=one\nB=\"two\nthree\"\n", k)
	if !secrets.IsEncrypted(data) {
		t.Fatal("not seen as encrypted")
	}
	env := open(t, k.ring(), data)
	wantValue(t, env, "B", "two\nthree")
	if len(env.Secrets()) != 2 {
		t.Error("not all of it is secret")
	}
}

func TestIsEncrypted(t *testing.T) {
	data := string(encrypt(t, "A=one\nB=two\n", "", newKey(t).recipient))
	body, _, _ := strings.Cut(data, "sops_")
	for text, want := range map[string]bool{
		"":                         false,
		"A=1\n":                    false,
		"A=ENC[not]\n":             false,
		"sops_mode=on\n":           false,
		"# sops_mac=x\n":           false,
		"{}":                       false,
		`{"sops":{}}`:              true,
		data:                       true,
		body:                       true, // the metadata is lost
		"A=in plain\nsops_mac=x\n": true,
	} {
		if got := secrets.IsEncrypted([]byte(text)); got != want {
			t.Errorf("IsEncrypted(%.40q) = %v", text, got)
		}
	}
}

func TestWhatIsEncryptedIsReadAsComposeReadsIt(t *testing.T) {
	k := newKey(t)
	alphabet := rapid.SampledFrom([]rune("aZ09 #$\\'\"{}=:%&é😀\t\r"))
	rapid.Check(t, func(t *rapid.T) {
		plain := "A=" + rapid.StringOfN(alphabet, 0, 24, -1).Draw(t, "A") + "\nB='" + rapid.StringMatching(`[^'\\\n\x00]{0,24}`).Draw(t, "B") + "'\n"
		data, err := secrets.EncryptDotenv([]byte(plain), []string{k.recipient}, "")
		if err != nil {
			return
		}
		env, err := k.ring().Open(t.Context(), ".env", data)
		if err != nil {
			if _, refused := (secrets.Keyring{}).Open(t.Context(), ".env", []byte(plain)); refused == nil {
				t.Fatal(err)
			}
			return
		}
		want, err := readByCompose(plain)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, env.Mapping()); diff != "" {
			t.Fatalf("%q: %s", plain, diff)
		}
	})
}

func TestDamagedByteIsRefusedOrHarmless(t *testing.T) {
	k := newKey(t)
	data := encrypt(t, "A=canary one\nB=canary two\n# canary\nC=canary three\n", "", k.recipient)
	want := open(t, k.ring(), data).Mapping()
	rapid.Check(t, func(t *rapid.T) {
		damaged := bytes.Clone(data)
		at := rapid.IntRange(0, len(damaged)-1).Draw(t, "at")
		damaged[at] = rapid.SampledFrom([]byte("=\n#A[]{}, \r\x00\xff0")).Draw(t, "byte")
		env, err := k.ring().Open(t.Context(), ".env", damaged)
		if err != nil {
			if strings.Contains(err.Error(), "canary") {
				t.Fatalf("error shows a value: %v", err)
			}
			return
		}
		if diff := cmp.Diff(want, env.Mapping()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncryptedFileThatCannotBeReadIsExplained(t *testing.T) {
	k, stranger := newKey(t), newKey(t)
	data := string(encrypt(t, "HOST=canary.example\nPASSWORD=canary secret\n", "PASSWORD", k.recipient))
	replaceLine := func(prefix, with string) string {
		var out strings.Builder
		for line := range strings.Lines(data) {
			if strings.HasPrefix(line, prefix) {
				line = with
			}
			out.WriteString(line)
		}
		return out.String()
	}
	body, _, _ := strings.Cut(data, "sops_")
	broken := filepath.Join(t.TempDir(), "broken.key")
	write(t, broken, "# x\nAGE-SECRET-KEY-1CANARY\n")
	tests := []struct {
		name string
		ring secrets.Keyring
		data string
		want []string
	}{
		{"no key", secrets.Keyring{}, data, []string{k.recipient, "age_key_files is empty", "SOPS_AGE_KEY not set"}},
		{"another key", stranger.ring(), data, []string{k.recipient, stranger.file, "for " + stranger.recipient, "sops rotate -i --add-age " + stranger.recipient}},
		{"a broken key file", secrets.Keyring{AgeKeyFiles: []string{broken, "/does/not/exist"}}, data,
			[]string{broken + " (line 2 is no age identity)", "/does/not/exist (no such file or directory)"}},
		{"public value edited", k.ring(), replaceLine("HOST=", "HOST=canary.other\n"), []string{"changed without SOPS", "MAC", "sops edit"}},
		{"line added", k.ring(), "NEW=canary\n" + data, []string{"changed without SOPS"}},
		{"secret edited in plain", k.ring(), replaceLine("PASSWORD=", "PASSWORD=canary in plain\n"), []string{"the value of PASSWORD", "sops edit"}},
		{"integrity code removed", k.ring(), replaceLine("sops_mac=", ""), []string{"changed without SOPS"}},
		{"metadata lost", k.ring(), body, []string{"sops_ lines"}},
		{"metadata mixed", k.ring(), data + "sops_version=1\n", []string{"metadata", "merge"}},
		{"line without equals sign", k.ring(), data + "canary\n", []string{fmt.Sprintf(":%d:", strings.Count(data, "\n")+1), `no "="`}},
		{"SOPS of something else", k.ring(), string(encryptJSON(t, `{"A":"canary"}`, k)), []string{"something else than an env file"}},
		{"a Vault that the file chooses", secrets.Keyring{}, replaceLine("sops_age", "") +
			"sops_hc_vault__list_0__map_vault_address=https://evil.example\nsops_hc_vault__list_0__map_engine_path=t\nsops_hc_vault__list_0__map_key_name=k\n" +
			"sops_hc_vault__list_0__map_created_at=2026-01-01T00:00:00Z\nsops_hc_vault__list_0__map_enc=vault:v1:x\n",
			[]string{"https://evil.example", "VAULT_ADDR"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.ring.Open(t.Context(), ".env.production", []byte(tt.data))
			wantError(t, err, append(tt.want, ".env.production")...)
			var e *secrets.Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Errorf("no hint in %v", err)
			}
		})
	}
}

func TestFaultyTextInAnEncryptedFileIsRefusedWithoutItsValues(t *testing.T) {
	k := newKey(t)
	for plain, want := range map[string]string{
		"A=1\nB=\"canary\n": "B begins with a quote",
		"A=canary\nA=2\n":   "A is given twice",
		"A=canary${\n":      "A: a $",
		"A b=canary\n":      "no name",
	} {
		// SOPS itself encrypts what Compose does not read.
		_, err := k.ring().Open(t.Context(), ".env", []byte(encryptAsIs(t, plain, k)))
		wantError(t, err, want)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	k := newKey(t)
	data := encrypt(t, "A=1\n", "", k.recipient)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.ring().Open(ctx, ".env", data); err == nil {
		t.Error("no error")
	}
	// A key command that does not end stands for a key service that is far away.
	dir := t.TempDir()
	started, blocked := filepath.Join(dir, "started"), filepath.Join(dir, "blocked")
	for _, fifo := range []string{started, blocked} {
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOPS_AGE_KEY_CMD", fmt.Sprintf(`sh -c "echo > %s; cat %s"`, started, blocked))
	ctx, cancel = context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := secrets.Keyring{}.Open(ctx, ".env", data)
		ended <- err
	}()
	read(t, started)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	write(t, blocked, "")
}

// read returns once a fifo was opened by its writer.
func read(t *testing.T, fifo string) {
	t.Helper()
	if _, err := os.ReadFile(fifo); err != nil {
		t.Fatal(err)
	}
}

func TestOpenByManyAtOnce(t *testing.T) {
	k := newKey(t)
	data := encrypt(t, "A=1\nB=2\n", "", k.recipient)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				env, err := k.ring().Open(t.Context(), ".env", data)
				if err != nil || env.Mapping()["B"] != "2" {
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSopsIsSilent(t *testing.T) {
	for name, logger := range logging.Loggers {
		if logger.Out != io.Discard {
			t.Errorf("%s logs", name)
		}
	}
}

func TestEncryptRefusesWhatSopsWouldSpoil(t *testing.T) {
	k := newKey(t)
	for plain, want := range map[string]string{
		"A=\"canary\nCANARY\"\n": "several lines",
		"A=canary\n   \n":        "blank",
		"canary\n":               `no "="`,
		"A=1\nsops_mac=canary\n": "encrypted already",
	} {
		_, err := secrets.EncryptDotenv([]byte(plain), []string{k.recipient}, "")
		wantError(t, err, want)
	}
	_, err := secrets.EncryptDotenv([]byte("A=1\n"), []string{"AGE-SECRET-KEY-1CANARY"}, "")
	wantError(t, err, "recipient 1")
	_, err = secrets.EncryptDotenv([]byte("A=1\n"), nil, "")
	wantError(t, err, "no age recipient")
	_, err = secrets.EncryptDotenv([]byte("A=1\n"), []string{k.recipient}, "(")
	wantError(t, err, "encrypted_regex")
}

func BenchmarkOpen(b *testing.B) {
	k := newKey(b)
	var plain strings.Builder
	for i := range 20 {
		fmt.Fprintf(&plain, "KEY_%d=value number %d of the file\n", i, i)
	}
	data := encrypt(b, plain.String(), "", k.recipient)
	ring := k.ring()
	for b.Loop() {
		if _, err := ring.Open(b.Context(), ".env", data); err != nil {
			b.Fatal(err)
		}
	}
}
