package secrets

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/version"
)

// Rules are what .sops.yaml demands of one file: which values are encrypted,
// and for whom.
type Rules struct {
	Path string // of .sops.yaml

	file string // that they are for
	rule *config.Config
}

// FindRules returns the rules for a file, from the .sops.yaml in its
// folder or above, by SOPS's own reading. The file need not exist.
func FindRules(file string) (*Rules, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	found, err := config.LookupConfigFile(absolute)
	if err != nil {
		return nil, &Error{Path: file, Problem: "there is no .sops.yaml in its folder or above, which says for whom to encrypt",
			Hint: "write one with creation_rules: a path_regex, an encrypted_regex, and age: with the public keys"}
	}
	path := found.Path
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(text, []byte("AGE-SECRET-KEY-")) {
		// SOPS would quote it.
		return nil, &Error{Path: path, Problem: "holds a private key of age",
			Hint: "put the public key there, which begins with age1, and replace the private one: it must be taken for known"}
	}
	rule, err := config.LoadCreationRuleForFile(path, absolute, nil)
	if err != nil {
		return nil, &Error{Path: path, Problem: fmt.Sprintf("has no rule for %s that SOPS can follow: %s", filepath.Base(file), firstLine(err.Error())),
			Hint: "correct creation_rules there: the first whose path_regex matches counts, and age: takes public keys, which begin with age1"}
	}
	if rule == nil || len(rule.KeyGroups) == 0 || len(rule.KeyGroups[0]) == 0 {
		return nil, &Error{Path: path, Problem: "names nobody to encrypt " + filepath.Base(file) + " for",
			Hint: "add creation_rules with age: and the public keys of those who may decrypt"}
	}
	return &Rules{Path: path, file: file, rule: rule}, nil
}

// Recipients returns for whom the file is to be encrypted, such as age1….
func (r *Rules) Recipients() []string {
	var out []string
	for _, group := range r.rule.KeyGroups {
		for _, key := range group {
			out = append(out, key.ToString())
		}
	}
	return out
}

// Format is SOPS's name for how the file is encrypted: dotenv, yaml, json, ini or binary.
func (r *Rules) Format() string { return formatForName(r.file).String() }

// Encrypt encrypts a file by the rules, in the format that its name says, with
// a new data key.
func (r *Rules) Encrypt(plain []byte) ([]byte, error) {
	return r.encrypt(formatForName(r.file), plain)
}

func (r *Rules) encrypt(f format, plain []byte) ([]byte, error) {
	branches, err := loadPlain(r.file, f, plain)
	if err != nil {
		return nil, err
	}
	metadata := r.metadata()
	if f == binaryFormat {
		metadata = wholly(metadata)
	}
	return encryptTree(sops.Tree{Branches: branches, Metadata: metadata}, f.store())
}

// wholly is for a file that is one value: rules that choose by names do not
// apply, as in SOPS.
func wholly(m sops.Metadata) sops.Metadata {
	m.UnencryptedSuffix, m.EncryptedSuffix, m.UnencryptedRegex, m.EncryptedRegex = "", "", "", ""
	m.UnencryptedCommentRegex, m.EncryptedCommentRegex = "", ""
	return m
}

func (r *Rules) metadata() sops.Metadata {
	m := sops.Metadata{
		KeyGroups: r.rule.KeyGroups, ShamirThreshold: r.rule.ShamirThreshold, Version: version.Version,
		UnencryptedSuffix: r.rule.UnencryptedSuffix, EncryptedSuffix: r.rule.EncryptedSuffix,
		UnencryptedRegex: r.rule.UnencryptedRegex, EncryptedRegex: r.rule.EncryptedRegex,
		UnencryptedCommentRegex: r.rule.UnencryptedCommentRegex, EncryptedCommentRegex: r.rule.EncryptedCommentRegex,
		MACOnlyEncrypted: r.rule.MACOnlyEncrypted,
	}
	if m.UnencryptedSuffix+m.EncryptedSuffix+m.UnencryptedRegex+m.EncryptedRegex+m.UnencryptedCommentRegex+m.EncryptedCommentRegex == "" {
		m.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	return m
}

// Rotate encrypts an encrypted file anew, by the rules and with a new data
// key: who is not among the recipients any more cannot read what comes after.
func (r *Rules) Rotate(ctx context.Context, keys Keyring, data []byte) ([]byte, error) {
	file, err := keys.openEncrypted(ctx, r.file, data)
	if err != nil {
		return nil, err
	}
	f := file.format
	if f == binaryFormat && formatForName(r.file) == dotenvFormat {
		f = dotenvFormat // what `sops encrypt` made of .env.production
	}
	return r.encrypt(f, file.plain)
}
