package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"

	"deployer/secrets"
)

func ciphertextOf(t *testing.T, file, name string) string {
	t.Helper()
	for line := range strings.Lines(read(t, file)) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	t.Fatalf("%s is not in %s", name, file)
	return ""
}

func TestSecretsSetTakesTheValueFromStdin(t *testing.T) {
	dir, key := newRepository(t)
	file := filepath.Join(dir, envName)
	kept := ciphertextOf(t, file, "REGISTRY_HTPASSWD")
	const value = `canary $1 #2 "quoted"`
	deployer(t, value+"\n", "secrets", "set", "REGISTRY_PASSWORD", "-f", file, "--age-key", key).want(t, 0, "REGISTRY_PASSWORD set")
	if got := valueOf(t, file, key, "REGISTRY_PASSWORD"); got != value {
		t.Errorf("it is %q", got)
	}
	if ciphertextOf(t, file, "REGISTRY_HTPASSWD") != kept {
		t.Error("a value that stayed has another ciphertext")
	}
	if strings.Contains(read(t, file), "canary") {
		t.Error("the value stands in the file")
	}
	before := read(t, file)
	deployer(t, value+"\n", "secrets", "set", "REGISTRY_PASSWORD", "-f", file, "--age-key", key).want(t, 0, "unchanged")
	if read(t, file) != before {
		t.Error("the file has changed though its values have not")
	}
	deployer(t, "", "secrets", "set", "REGISTRY_PASSWORD", "canary", "-f", file, "--age-key", key).want(t, 2)
}

func TestSecretsSetSaysWhatStandsReadable(t *testing.T) {
	dir, key := newRepository(t)
	file := filepath.Join(dir, envName)
	deployer(t, "canary\n", "secrets", "set", "LICENCE", "-f", file, "--age-key", key).want(t, 0, "LICENCE stands readable")
	deployer(t, "canary\n", "secrets", "set", "API_TOKEN", "-f", file, "--age-key", key).never(t, "readable")
}

func TestSecretsEditInMemory(t *testing.T) {
	dir, key := newRepository(t)
	file := filepath.Join(dir, envName)
	kept := ciphertextOf(t, file, "REGISTRY_PASSWORD")
	seen := filepath.Join(t.TempDir(), "seen")
	editor := filepath.Join(t.TempDir(), "editor")
	put(t, editor, "#!/bin/sh\nset -e\n{ echo \"$2\"; stat -c %a \"$2\"; stat -f -c %T \"$2\"; } > "+seen+"\nsed -i \"s/^HOST=.*/HOST=$1/\" \"$2\"\n")
	if err := os.Chmod(editor, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EDITOR", editor+" other.test")
	deployer(t, "", "secrets", "edit", file, "--age-key", key).want(t, 0, "changed and encrypted")
	if got := valueOf(t, file, key, "HOST"); got != "other.test" {
		t.Errorf("HOST is %q", got)
	}
	if ciphertextOf(t, file, "REGISTRY_PASSWORD") != kept {
		t.Error("a value that stayed has another ciphertext")
	}
	lines := strings.Split(read(t, seen), "\n")
	if lines[1] != "600" || lines[2] != "tmpfs" {
		t.Errorf("the plain text had mode %s on %s", lines[1], lines[2])
	}
	if _, err := os.Stat(filepath.Dir(lines[0])); !os.IsNotExist(err) {
		t.Errorf("the plain text is still there: %v", err)
	}
}

func TestSecretsEditThatFailsChangesNothing(t *testing.T) {
	dir, key := newRepository(t)
	file := filepath.Join(dir, envName)
	before := read(t, file)
	memory, err := os.MkdirTemp("/dev/shm", "deployer-cmd-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(memory) })
	t.Setenv("XDG_RUNTIME_DIR", memory)
	for editor, want := range map[string]string{
		"false":                 "the editor false",
		"sed -i s/^HOST=/HOST/": "no \"=\"",
	} {
		t.Setenv("EDITOR", editor)
		deployer(t, "", "secrets", "edit", file, "--age-key", key).want(t, 1, want, "is as it was")
	}
	t.Setenv("EDITOR", "true")
	deployer(t, "", "secrets", "edit", file, "--age-key", key).want(t, 0, "unchanged")
	if read(t, file) != before {
		t.Error("the file has changed")
	}
	if left, err := os.ReadDir(memory); err != nil || len(left) > 0 {
		t.Errorf("left in memory: %v, %v", left, err)
	}
}

func TestWipeOverwritesWhatAnEditorLeft(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, ".plain.env.swp")
	put(t, file, "canary")
	held, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	wipe(dir)
	buf := make([]byte, 6)
	if _, err := held.ReadAt(buf, 0); err != nil || string(buf) != "\x00\x00\x00\x00\x00\x00" {
		t.Errorf("the content is %q, %v", buf, err)
	}
	if err := unix.Access(dir, unix.F_OK); err == nil {
		t.Error("the folder is still there")
	}
}

func TestSecretsEncryptAndDecrypt(t *testing.T) {
	dir, key := newRepository(t)
	file := filepath.Join(dir, "apps", envName)
	const plain = "# why\nHOST=shop.test\nDB_PASSWORD='canary $1'\n"
	put(t, file, plain)
	deployer(t, "", "secrets", "decrypt", file, "--age-key", key).want(t, 1, "is not encrypted")
	deployer(t, "", "secrets", "encrypt", file).want(t, 0, "encrypted for age1")
	if text := read(t, file); strings.Contains(text, "canary") || !strings.Contains(text, "HOST=shop.test\n") {
		t.Errorf("it reads\n%s", text)
	}
	o := deployer(t, "", "secrets", "decrypt", file, "--age-key", key)
	o.want(t, 0)
	if o.out != plain {
		t.Errorf("it came back as %q", o.out)
	}
	deployer(t, "", "secrets", "encrypt", file).want(t, 1, "encrypted already")
	deployer(t, "", "secrets", "decrypt", file).want(t, 1, "no key at hand")
	deployer(t, "", "secrets", "encrypt", filepath.Join(dir, "none")).want(t, 2, "none")
	if err := os.Remove(filepath.Join(dir, ".sops.yaml")); err != nil {
		t.Fatal(err)
	}
	put(t, file, plain)
	deployer(t, "", "secrets", "encrypt", file).want(t, 2, "no .sops.yaml")
	if read(t, file) != plain {
		t.Error("the file has changed")
	}
}

func TestSecretsOfFilesOfOtherFormats(t *testing.T) {
	dir, key := newRepository(t)
	rules := filepath.Join(dir, ".sops.yaml")
	recipients, err := secrets.RecipientsOf(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, rules, "creation_rules:\n  - {path_regex: '[.]key$|[.]p12$|[.]yaml$', age: "+recipients[0]+", encrypted_regex: '^password$'}\n")
	for name, c := range map[string]struct{ plain, format, replace, edited string }{
		"app.yaml": {"host: shop.test\npassword: canary\n", "as yaml", "s/shop/work/", "host: work.test\npassword: canary\n"},
		"tls.key":  {"-----BEGIN KEY-----\ncanary\n", "as binary", "s/canary/tweety/", "-----BEGIN KEY-----\ntweety\n"},
	} {
		file := filepath.Join(dir, name)
		put(t, file, c.plain)
		deployer(t, "", "secrets", "encrypt", file).want(t, 0, "encrypted for age1", c.format)
		if strings.Contains(read(t, file), "canary") {
			t.Errorf("%s reads\n%s", name, read(t, file))
		}
		decrypted := func() string {
			o := deployer(t, "", "secrets", "decrypt", file, "--age-key", key)
			o.want(t, 0)
			return o.out
		}
		if got := decrypted(); got != c.plain {
			t.Errorf("%s came back as %q", name, got)
		}
		t.Setenv("EDITOR", "sed -i "+c.replace)
		deployer(t, "", "secrets", "edit", file, "--age-key", key).want(t, 0, "changed and encrypted")
		deployer(t, "", "secrets", "rotate-keys", file, "--age-key", key).want(t, 0, "encrypted anew")
		if got := decrypted(); got != c.edited {
			t.Errorf("%s was edited to %q", name, got)
		}
		deployer(t, "", "secrets", "encrypt", file).want(t, 1, "encrypted already")
	}
	deployer(t, "canary\n", "secrets", "set", "password", "-f", filepath.Join(dir, "app.yaml"), "--age-key", key).want(t, 1, "no env file", "secrets edit")
	file := filepath.Join(dir, "store.p12")
	put(t, file, "\x00\xffcanary")
	deployer(t, "", "secrets", "encrypt", file).want(t, 0, "as binary")
	deployer(t, "", "secrets", "edit", file, "--age-key", key).want(t, 2, "holds no text")
	put(t, filepath.Join(dir, "list.yaml"), "- canary\n")
	deployer(t, "", "secrets", "encrypt", filepath.Join(dir, "list.yaml")).want(t, 1, "cannot be read as yaml")
}

func TestSecretsRotateKeysForThoseWhoAreNamed(t *testing.T) {
	dir, old := newRepository(t)
	file := filepath.Join(dir, envName)
	password := valueOf(t, file, old, "REGISTRY_PASSWORD")
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "new.key")
	put(t, key, identity.Reveal()+"\n")
	recipients, err := secrets.RecipientsOf(old)
	if err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(dir, ".sops.yaml")
	put(t, rules, strings.Replace(read(t, rules), recipients[0], recipient, 1))
	deployer(t, "", "secrets", "rotate-keys", file, "--age-key", old).want(t, 0, recipient)
	if got := valueOf(t, file, key, "REGISTRY_PASSWORD"); got != password {
		t.Error("the password has changed")
	}
	deployer(t, "", "secrets", "decrypt", file, "--age-key", old).want(t, 1, "no key at hand")
}

func TestSecretsGenerate(t *testing.T) {
	o := deployer(t, "", "secrets", "generate")
	o.want(t, 0)
	if p := strings.TrimSpace(o.out); len(p) != 43 || o.out == deployer(t, "", "secrets", "generate").out {
		t.Errorf("the password has %d characters, or is always the same", len(p))
	}
	o = deployer(t, "", "secrets", "generate", "--htpasswd", "ops", "--json")
	o.want(t, 0)
	var made map[string]string
	if err := json.Unmarshal([]byte(o.out), &made); err != nil {
		t.Fatal(err)
	}
	user, hash, _ := strings.Cut(made["htpasswd"], ":")
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(made["password"])); err != nil || user != "ops" {
		t.Errorf("user %q, %v", user, err)
	}
	deployer(t, "", "secrets", "generate", "--htpasswd", "a:b").want(t, 2, "colon")
}

func TestSecretsGenerateIntoAFile(t *testing.T) {
	dir, key := newRepository(t)
	file := filepath.Join(dir, envName)
	before := valueOf(t, file, key, "REGISTRY_PASSWORD")
	o := deployer(t, "", "secrets", "generate", "--htpasswd", "ops", "--into", file, "--age-key", key)
	o.want(t, 0, "REGISTRY_HTPASSWD set")
	password := valueOf(t, file, key, "REGISTRY_PASSWORD")
	user, hash, _ := strings.Cut(valueOf(t, file, key, "REGISTRY_HTPASSWD"), ":")
	if password == before || user != "ops" || valueOf(t, file, key, "REGISTRY_USERNAME") != "ops" ||
		bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		t.Errorf("user %q, the old password or another hash", user)
	}
	o.never(t, password)
}

// A bad name is wrong use, and is told before the value is asked for.
func TestSetOfABadName(t *testing.T) {
	o := deployer(t, "canary", "secrets", "set", "BAD KEY", "-f", filepath.Join(t.TempDir(), ".env.production"))
	o.want(t, 2, `"BAD KEY" is no name of a variable`)
	o.never(t, "canary")
}
