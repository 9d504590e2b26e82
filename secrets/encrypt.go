package secrets

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/version"
)

// GenerateAgeKey makes a key pair: the identity for a key file, and the
// recipient to encrypt for, which is public.
func GenerateAgeKey() (identity Value, recipient string, err error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return Value{}, "", fmt.Errorf("make an age key: %w", err)
	}
	return NewValue(key.String()), key.Recipient().String(), nil
}

// EncryptDotenv encrypts an env file as `sops encrypt` does. With an
// encryptedRegex only the values of matching names are encrypted; without one
// all but those whose name ends in _unencrypted.
func EncryptDotenv(plain []byte, recipients []string, encryptedRegex string) ([]byte, error) {
	const path = "env file"
	if err := encryptable(path, plain); err != nil {
		return nil, err
	}
	return encryptFor(path, dotenvFormat, plain, recipients, encryptedRegex)
}

// EncryptFile is EncryptDotenv in the format that the file's name says, as
// SOPS takes it: YAML, JSON, INI, dotenv, or else binary, which is one value.
func EncryptFile(name string, plain []byte, recipients []string, encryptedRegex string) ([]byte, error) {
	f := formatForName(name)
	if err := encryptableAs(name, f, plain); err != nil {
		return nil, err
	}
	return encryptFor(name, f, plain, recipients, encryptedRegex)
}

func encryptFor(path string, f format, plain []byte, recipients []string, encryptedRegex string) ([]byte, error) {
	keys, err := ageGroup(recipients)
	if err != nil {
		return nil, err
	}
	store := f.store()
	branches, err := store.LoadPlainFile(plain)
	if err != nil {
		return nil, &Error{Path: path, Problem: "SOPS cannot read it"}
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
		KeyGroups: []sops.KeyGroup{keys},
		Version:   version.Version,
	}}
	if encryptedRegex == "" {
		tree.Metadata.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	} else if _, err := regexp.Compile(encryptedRegex); err != nil {
		return nil, fmt.Errorf("encrypted_regex: %w", err)
	} else {
		tree.Metadata.EncryptedRegex = encryptedRegex
	}
	if f == binaryFormat {
		tree.Metadata = wholly(tree.Metadata)
	}
	return encryptTree(tree, store)
}

// encryptable refuses what SOPS would take wrongly or not at all.
func encryptable(path string, plain []byte) error {
	if err := readable(path, plain); err != nil {
		return err
	}
	if IsEncrypted(plain) {
		return &Error{Path: path, Problem: "is encrypted already"}
	}
	statements, err := split(path, string(plain))
	if err != nil {
		return err
	}
	for _, s := range statements {
		if strings.Contains(s.value, "\n") {
			return &Error{Path: path, Line: s.line, Problem: "the value of " + s.name + " spans several lines, which SOPS cannot keep",
				Hint: `write it in one line, in double quotes with \n`}
		}
	}
	number := 0
	for line := range strings.Lines(string(plain)) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if line != "" && line[0] != '#' && !strings.Contains(line, "=") {
			return &Error{Path: path, Line: number, Problem: "SOPS takes no line that is blank or indented",
				Hint: "remove the spaces in it, and end lines with \\n"}
		}
	}
	return nil
}

func ageGroup(recipients []string) (sops.KeyGroup, error) {
	var group sops.KeyGroup
	for i, r := range recipients {
		key, err := sopsage.MasterKeyFromRecipient(r)
		if err != nil {
			// What is no recipient may be an identity: it is not quoted.
			return nil, fmt.Errorf("recipient %d is no public key of age", i+1)
		}
		group = append(group, key)
	}
	if len(group) == 0 {
		return nil, errors.New("no age recipient to encrypt for")
	}
	return group, nil
}

// encryptTree encrypts the tree with a new data key.
func encryptTree(tree sops.Tree, store sops.Store) ([]byte, error) {
	local := []keyservice.KeyServiceClient{keyservice.NewLocalClient()}
	key, errs := tree.GenerateDataKeyWithKeyServices(local)
	if len(errs) > 0 {
		return nil, fmt.Errorf("encrypt a data key: %w", errs[0])
	}
	return closeTree(tree, store, key, aes.NewCipher())
}

// closeTree encrypts the tree with a data key and adds its integrity code.
func closeTree(tree sops.Tree, store sops.Store, key []byte, cipher sops.Cipher) ([]byte, error) {
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		return nil, errors.New("SOPS could not encrypt the file")
	}
	tree.Metadata.LastModified = time.Now().UTC()
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		return nil, errors.New("SOPS could not encrypt the integrity code of the file")
	}
	out, err := store.EmitEncryptedFile(tree)
	if err != nil {
		return nil, fmt.Errorf("write the encrypted file: %w", err)
	}
	return out, nil
}
