package secrets_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"deployer/secrets"

	"pgregory.net/rapid"
)

func openVault(t testing.TB) *secrets.Vault {
	t.Helper()
	v, err := secrets.OpenVault(filepath.Join(t.TempDir(), "vault.key"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVaultIsTheSameAfterARestart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.key")
	first, err := secrets.OpenVault(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.Seal([]byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := secrets.OpenVault(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Open(sealed); err != nil || string(got) != "plain" {
		t.Errorf("opened %q, %v", got, err)
	}
	if a, b := first.Digest([]byte("x")), second.Digest([]byte("x")); a != b || len(a) != 64 {
		t.Errorf("digests %s and %s", a, b)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestVaultIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.key")
	digests := make([]string, 8)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			v, err := secrets.OpenVault(path)
			if err != nil {
				t.Error(err)
				return
			}
			digests[i] = v.Digest()
		})
	}
	wg.Wait()
	for _, d := range digests {
		if d != digests[0] {
			t.Error("two keys were made")
		}
	}
}

func TestVaultRefusesABadKeyFile(t *testing.T) {
	good := newKey(t).identity
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"readable by the group", good, 0o640, "chmod 600"},
		{"readable by all", good, 0o604, "chmod 600"},
		{"empty", "", 0o600, "put it back from a backup"},
		{"cut off", good[:40], 0o600, "put it back from a backup"},
		{"only comments", "# nothing\n", 0o600, "put it back from a backup"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vault.key")
			write(t, path, tt.text)
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := secrets.OpenVault(path)
			wantError(t, err, path, tt.want)
			if strings.Contains(err.Error(), good[20:40]) {
				t.Error("the error shows the key")
			}
			if text, _ := os.ReadFile(path); string(text) != tt.text {
				t.Error("the file was changed")
			}
		})
	}
	_, err := secrets.OpenVault(filepath.Join(t.TempDir(), "none", "vault.key"))
	wantError(t, err, "no such file")
	_, err = secrets.OpenVault(t.TempDir())
	wantError(t, err, "no regular file")
}

func TestSealedComesBack(t *testing.T) {
	v := openVault(t)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed, err := v.Seal(plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Open(sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened %q, %v", got, err)
		}
	})
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	v := openVault(t)
	sealed, err := v.Seal([]byte("canary"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = openVault(t).Open(sealed)
	wantError(t, err, "another key")
	for _, damaged := range [][]byte{nil, []byte("canary"), sealed[:len(sealed)-1], append(sealed[:len(sealed)-1:len(sealed)-1], sealed[len(sealed)-1]^1)} {
		_, err = v.Open(damaged)
		wantError(t, err, "damaged")
	}
}

func TestSealIsBounded(t *testing.T) {
	v := openVault(t)
	largest := make([]byte, 64<<20)
	sealed, err := v.Seal(largest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(sealed); err != nil || len(got) != len(largest) {
		t.Errorf("opened %d bytes, %v", len(got), err)
	}
	_, err = v.Seal(append(largest, 0))
	wantError(t, err, "64 MiB")
}

func TestDigestTellsPartsApart(t *testing.T) {
	v := openVault(t)
	seen := map[string]string{}
	for _, parts := range []string{"", "|", "ab", "a|b", "|ab", "ab|", "a||b"} {
		var in [][]byte
		for _, p := range strings.Split(parts, "|") {
			in = append(in, []byte(p))
		}
		d := v.Digest(in...)
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have one digest", parts, other)
		}
		seen[d] = parts
	}
	if seen[v.Digest()] != "" || v.Digest() == v.Digest(nil) {
		t.Error("no part is taken for an empty one")
	}
	if v.Digest([]byte("a")) == openVault(t).Digest([]byte("a")) {
		t.Error("the digest does not depend on the key")
	}
}
