package secrets

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
)

// A Mismatch is where an encrypted file is not what .sops.yaml demands.
type Mismatch struct {
	Problem, Hint string
	// Open says that something can be read that should not be: a value, or by
	// somebody. Else the file may be stricter than the rule.
	Open bool
}

// Mismatches compares an encrypted file with the creation rule that is for
// it. rules is a .sops.yaml; name is the file's path from the folder of that.
// No value is in what comes back.
func Mismatches(rules []byte, name string, data []byte) ([]Mismatch, error) {
	rule, err := ruleFor(rules, name)
	if err != nil {
		return nil, err
	}
	data = normalize(data)
	f, err := formatOfFile(name, data)
	if err != nil {
		return nil, err
	}
	if f == plainFormat {
		f = formatOf(data) // an env file that lost its metadata
	}
	if f == plainFormat {
		return []Mismatch{{Problem: name + " is not encrypted", Open: true,
			Hint: "encrypt it, and replace every secret in it that was committed: deployer secrets encrypt " + name}}, nil
	}
	tree, _, err := loadTree(name, f, data)
	if err != nil {
		return nil, err
	}
	out := recipientMismatches(name, f, tree.Metadata.KeyGroups, rule.KeyGroups)
	if f != binaryFormat {
		out = append(out, valueMismatches(name, f, rule, tree)...)
	}
	return out, nil
}

// ruleFor reads the creation rule for a file. SOPS reads .sops.yaml, which
// holds nothing secret, from a file only.
func ruleFor(rules []byte, name string) (*config.Config, error) {
	dir, err := os.MkdirTemp("", "deployer-sops-")
	if err != nil {
		return nil, fmt.Errorf("read .sops.yaml: %w", err)
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, ".sops.yaml")
	if err := os.WriteFile(at, rules, 0o600); err != nil {
		return nil, fmt.Errorf("read .sops.yaml: %w", err)
	}
	rule, err := config.LoadCreationRuleForFile(at, filepath.Join(dir, name), nil)
	if err == nil && rule == nil {
		err = fmt.Errorf("it has no creation_rules")
	}
	if err != nil {
		problem := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "error loading config: "), dir+"/", "")
		if strings.Contains(problem, "SECRET-KEY") {
			problem = "holds an identity, which is secret, where a recipient belongs"
		}
		return nil, &Error{Path: ".sops.yaml", Problem: problem, Hint: "give it a rule that is valid and whose path_regex matches " + name}
	}
	return rule, nil
}

func recipientMismatches(name string, f format, have, want []sops.KeyGroup) []Mismatch {
	may, must := recipients(have), recipients(want)
	update := "sops updatekeys --input-type " + f.String() + " " + name
	var out []Mismatch
	for _, key := range must {
		if !slices.Contains(may, key) {
			out = append(out, Mismatch{Problem: fmt.Sprintf("%s is not encrypted for %s, which .sops.yaml demands", name, key), Hint: update})
		}
	}
	for _, key := range may {
		if !slices.Contains(must, key) {
			out = append(out, Mismatch{Problem: fmt.Sprintf("%s can be opened by %s, which .sops.yaml does not name", name, key), Open: true,
				Hint: update + ", and replace the secrets where that key is in wrong hands"})
		}
	}
	return out
}

func recipients(groups []sops.KeyGroup) []string {
	var out []string
	for _, group := range groups {
		for _, key := range group {
			out = append(out, key.TypeToIdentifier()+" "+key.ToString())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// valueMismatches names the values that are in clear against the rule. SOPS
// leaves empty values as they are.
func valueMismatches(name string, f format, rule *config.Config, tree sops.Tree) []Mismatch {
	if rule.EncryptedCommentRegex != "" || rule.UnencryptedCommentRegex != "" {
		return nil // comments decide, and what they say is encrypted with them
	}
	var open []string
	for _, branch := range tree.Branches {
		open = append(open, valuesInClear(rule, branch, nil)...)
	}
	if len(open) == 0 {
		return nil
	}
	return []Mismatch{{Problem: fmt.Sprintf("%s has values in clear that .sops.yaml wants encrypted: %s", name, strings.Join(open, ", ")), Open: true,
		Hint: "replace these values, since they were committed, and encrypt the file anew: deployer secrets rotate-keys " + name}}
}

// valuesInClear walks through what is below keys.
func valuesInClear(rule *config.Config, in any, keys []string) (open []string) {
	switch in := in.(type) {
	case sops.TreeBranch:
		for _, item := range in {
			if key, ok := item.Key.(string); ok { // else a comment
				open = append(open, valuesInClear(rule, item.Value, append(slices.Clone(keys), nameOf(key)))...)
			}
		}
	case []any:
		for _, item := range in {
			open = append(open, valuesInClear(rule, item, keys)...)
		}
	case nil, sops.Comment:
	default:
		text, isText := in.(string)
		if isText && (text == "" || strings.HasPrefix(text, ciphertext)) || !wantsEncrypted(rule, keys) {
			return nil
		}
		return []string{strings.Join(keys, ".")}
	}
	return open
}

// wantsEncrypted says what the rule says of a value, by the keys from the top.
func wantsEncrypted(rule *config.Config, keys []string) bool {
	matches := func(pattern string) bool {
		re, err := regexp.Compile(pattern)
		return err == nil && slices.ContainsFunc(keys, re.MatchString)
	}
	ends := func(suffix string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.HasSuffix(key, suffix) })
	}
	switch {
	case rule.EncryptedRegex != "":
		return matches(rule.EncryptedRegex)
	case rule.UnencryptedRegex != "":
		return !matches(rule.UnencryptedRegex)
	case rule.EncryptedSuffix != "":
		return ends(rule.EncryptedSuffix)
	case rule.UnencryptedSuffix != "":
		return !ends(rule.UnencryptedSuffix)
	}
	return !ends(sops.DefaultUnencryptedSuffix)
}
