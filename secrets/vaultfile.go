package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// OpenVault reads the key file, or makes one where there is none; its folder
// must exist. The file is never replaced: with another key, what the first has
// sealed would be lost.
func OpenVault(path string) (*Vault, error) {
	identity, err := readVaultKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createVaultKey(path); err == nil {
			identity, err = readVaultKey(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the server's key: %w", err)
	}
	return newVault(identity)
}

func readVaultKey(path string) (*age.X25519Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run `chmod 600 %s`, and consider who may have read it", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		// The error would tell which part of the key is wrong.
		identity, err := age.ParseX25519Identity(line)
		if err != nil {
			break
		}
		return identity, nil
	}
	return nil, fmt.Errorf("%s is empty or damaged: put it back from a backup, for without it no kept release can be run again; to give them up, remove the file, and a new key is made at the next start", path)
}

// createVaultKey makes the file appear whole or not at all, and leaves one
// alone that another process has made meanwhile.
func createVaultKey(path string) error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := fmt.Fprintf(f, "# The key of this server: back it up, and show it to nobody.\n# Public key: %s\n%s\n", identity.Recipient(), identity); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes the name of a new file survive a loss of power.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// NewVault makes a Vault for this process alone: what it seals nobody opens
// afterwards.
func NewVault() (*Vault, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return newVault(identity)
}
