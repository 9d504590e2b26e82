package project

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"deployer/secrets"
)

// mapTree is a Tree in memory, with the hashes that Git would give.
type mapTree struct{ fstest.MapFS }

// tree makes a Tree of files. A content of "-> x" makes a symlink to x, a path
// that ends in "*" an executable file.
func tree(files map[string]string) mapTree {
	m := fstest.MapFS{}
	for name, content := range files {
		f := &fstest.MapFile{Data: []byte(content), Mode: 0o644}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			f.Data, f.Mode = []byte(target), fs.ModeSymlink|0o777
		}
		if strings.HasSuffix(name, "*") {
			name, f.Mode = strings.TrimSuffix(name, "*"), 0o755
		}
		m[name] = f
	}
	return mapTree{m}
}

// Hash is Git's, computed apart from the code that is tested.
func (t mapTree) Hash(p string) (string, error) {
	sum, err := t.object(p)
	return hex.EncodeToString(sum), err
}

func (t mapTree) object(p string) ([]byte, error) {
	info, err := fs.Lstat(t, p)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		data := t.MapFS[p].Data
		sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(data), data))
		return sum[:], nil
	}
	entries, err := fs.ReadDir(t, p)
	if err != nil {
		return nil, err
	}
	lines := map[string]string{}
	for _, e := range entries {
		sum, err := t.object(path.Join(p, e.Name()))
		if err != nil {
			return nil, err
		}
		key, mode := e.Name(), "100644"
		info, err := e.Info()
		switch {
		case err != nil:
			return nil, err
		case e.IsDir():
			key, mode = e.Name()+"/", "40000"
		case info.Mode()&fs.ModeSymlink != 0:
			mode = "120000"
		case info.Mode()&0o111 != 0:
			mode = "100755"
		}
		lines[key] = mode + " " + e.Name() + "\x00" + string(sum)
	}
	var body string
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		body += lines[key]
	}
	sum := sha1.Sum(fmt.Appendf(nil, "tree %d\x00%s", len(body), body))
	return sum[:], nil
}

func digest(parts ...[]byte) string {
	h := hmac.New(sha256.New, []byte("key"))
	for _, p := range parts {
		h.Write([]byte{byte(len(p)), byte(len(p) >> 8), byte(len(p) >> 16)})
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

var testRoots = Roots{Objects: "/d/objects", Copies: "/d/copies", Data: "/d/data", Secrets: "/run/d"}

// env makes an Env of NAME=value; a name that ends in "!" is secret.
func env(pairs ...string) *secrets.Env {
	var vars []secrets.Var
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		plain, secret := strings.CutSuffix(name, "!")
		vars = append(vars, secrets.Var{Name: plain, Value: secrets.NewValue(value), Secret: secret, Line: i + 1})
	}
	return secrets.NewEnv(".env.production", true, vars)
}

var keyring struct {
	secrets.Keyring
	recipient string
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "project-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		identity, recipient, err := secrets.GenerateAgeKey()
		if err != nil {
			panic(err)
		}
		key := filepath.Join(dir, "age.key")
		if err := os.WriteFile(key, []byte(identity.Reveal()+"\n"), 0o600); err != nil {
			panic(err)
		}
		keyring.AgeKeyFiles, keyring.recipient = []string{key}, recipient
		return m.Run()
	}())
}

// sealed is an env file as SOPS encrypts it.
func sealed(t *testing.T, plain string) string {
	t.Helper()
	data, err := secrets.EncryptDotenv([]byte(plain), []string{keyring.recipient}, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sealedFile is a file as SOPS encrypts it under its name, wholly or what the
// regex matches.
func sealedFile(t *testing.T, name, plain, regex string) string {
	t.Helper()
	data, err := secrets.EncryptFile(name, []byte(plain), []string{keyring.recipient}, regex)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func openFile(p string, data []byte) (*secrets.File, error) {
	return keyring.OpenFile(context.Background(), p, data)
}

func openEnv(p string, data []byte) (*secrets.Env, error) {
	return keyring.Open(context.Background(), p, data)
}

func source(files map[string]string, vars ...string) Source {
	return Source{
		Tree: tree(files), Dir: ".", Name: "shop", Env: env(vars...),
		OpenEnv: openEnv, OpenFile: openFile, Roots: testRoots, Digest: digest,
	}
}

func mustLoad(t *testing.T, src Source) *Project {
	t.Helper()
	p, err := Load(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// compose is a compose file of one service, with more lines of that service.
func compose(lines ...string) string {
	return "services:\n  web:\n    image: nginx:1.27\n    " + strings.Join(lines, "\n    ") + "\n"
}
