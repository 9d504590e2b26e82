package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	sopsage "github.com/getsops/sops/v3/age"
)

// A Keyring opens env files with the keys of this server: its age key files,
// and whatever SOPS finds by itself (SOPS_AGE_KEY and its like, PGP, a cloud
// KMS, Vault). It may be used by many goroutines at once.
type Keyring struct {
	// AgeKeyFiles hold age identities, one a line, or an SSH private key.
	// They are read at each use, so that a key can be changed while the
	// server runs. A file that cannot be read is no error while another helps.
	AgeKeyFiles []string
}

// Open reads a committed env file, encrypted or plain; path is for messages
// and for the Env. The error is an *Error, or that of ctx where it ends first.
func (k Keyring) Open(ctx context.Context, path string, data []byte) (*Env, error) {
	if len(data) > maxFile {
		return nil, readable(path, data)
	}
	f := formatOf(data)
	if f == plainFormat {
		return readEnv(path, data, false, nil)
	}
	file, err := k.decrypt(ctx, path, f, data)
	if err != nil {
		return nil, err
	}
	secret := encryptedNames(data)
	if f == binaryFormat {
		secret = everyName(file.plain)
	}
	return readEnv(path, file.plain, true, secret)
}

// everyName returns what may be a name of a variable in a decrypted file.
func everyName(plain []byte) map[string]bool {
	names := make(map[string]bool)
	for line := range strings.Lines(strings.TrimPrefix(string(plain), bom)) {
		name, _, _ := strings.Cut(line, "=")
		names[nameOf(name)] = true
	}
	return names
}

// decrypt decrypts in memory. A byte order mark may have been there when the
// file was encrypted, and is then a part of the first name, or an editor put
// it there: both are tried.
func (k Keyring) decrypt(ctx context.Context, path string, f format, data []byte) (*opened, error) {
	data = normalize(data)
	file, err := k.attempt(ctx, path, f, data)
	if err != nil && ctx.Err() == nil && bytes.HasPrefix(data, []byte(bom)) {
		return k.attempt(ctx, path, f, data[len(bom):])
	}
	return file, err
}

// attempt runs SOPS aside, because it takes no context to its key services,
// which may be far away, and because it is given what others wrote.
func (k Keyring) attempt(ctx context.Context, path string, f format, data []byte) (*opened, error) {
	type result struct {
		file *opened
		err  error
	}
	done := make(chan result, 1)
	service := &keyService{ctx: ctx, files: k.read()}
	go func() {
		var r result
		defer func() {
			if recover() != nil {
				r = result{err: &Error{Path: path, Problem: "SOPS failed on it", Hint: "see whether `sops decrypt` can read the file, and encrypt it again if not"}}
			}
			done <- r
		}()
		r.file, r.err = decryptTree(path, f, data, service)
	}()
	select {
	case r := <-done:
		return r.file, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("decrypt %s: %w", path, ctx.Err())
	}
}

// A keyFile is what one of the age key files holds.
type keyFile struct {
	path       string
	identities []age.Identity
	err        error
}

func (k Keyring) read() []keyFile {
	files := make([]keyFile, len(k.AgeKeyFiles))
	for i, path := range k.AgeKeyFiles {
		files[i].path = path
		files[i].identities, files[i].err = readIdentities(path)
	}
	return files
}

// maxKeyFile bounds a file of identities in bytes.
const maxKeyFile = 64 << 10

// readIdentities reads an age key file. Its errors quote nothing of the file.
func readIdentities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("larger than %d KiB", maxKeyFile>>10)
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		identity, err := agessh.ParseIdentity(text)
		if err != nil {
			return nil, errors.New("no SSH private key that is free of a passphrase")
		}
		return []age.Identity{identity}, nil
	}
	var identities sopsage.ParsedIdentities
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if identities.Import(line) != nil {
			return nil, fmt.Errorf("line %d is no age identity", number)
		}
	}
	if len(identities) == 0 {
		return nil, errors.New("no age identity in it")
	}
	return identities, nil
}
