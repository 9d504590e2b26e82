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

// Mismatches compares an encrypted env file with the creation rule that is for
// it. rules is a .sops.yaml; name is the file's path from the folder of that.
// No value is in what comes back.
func Mismatches(rules []byte, name string, data []byte) ([]Mismatch, error) {
	rule, err := ruleFor(rules, name)
	if err != nil {
		return nil, err
	}
	data = normalize(data)
	f := formatOf(data)
	if f == plainFormat {
		return []Mismatch{{Problem: name + " is not encrypted", Open: true,
			Hint: "encrypt it, and replace every secret in it that was committed: sops encrypt --input-type dotenv --output-type dotenv --in-place " + name}}, nil
	}
	tree, _, err := loadTree(name, f, data)
	if err != nil {
		return nil, err
	}
	out := recipientMismatches(name, tree.Metadata.KeyGroups, rule.KeyGroups)
	if f == dotenvFormat {
		out = append(out, valueMismatches(name, rule, tree)...)
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

func recipientMismatches(name string, have, want []sops.KeyGroup) []Mismatch {
	may, must := recipients(have), recipients(want)
	update := "sops updatekeys --input-type dotenv " + name
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

// valueMismatches names the variables that are in clear against the rule.
// SOPS leaves empty values as they are.
func valueMismatches(name string, rule *config.Config, tree sops.Tree) []Mismatch {
	if rule.EncryptedCommentRegex != "" || rule.UnencryptedCommentRegex != "" {
		return nil // comments decide, and what they say is encrypted with them
	}
	var open []string
	for _, branch := range tree.Branches {
		for _, item := range branch {
			key, isName := item.Key.(string)
			value, isText := item.Value.(string)
			if isName && isText && value != "" && !strings.HasPrefix(value, ciphertext) && wantsEncrypted(rule, key) {
				open = append(open, nameOf(key))
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	return []Mismatch{{Problem: fmt.Sprintf("%s has values in clear that .sops.yaml wants encrypted: %s", name, strings.Join(open, ", ")), Open: true,
		Hint: "replace these values, since they were committed, and encrypt the file again: sops decrypt it, then sops encrypt --input-type dotenv --output-type dotenv"}}
}

// wantsEncrypted says what the rule says of a variable.
func wantsEncrypted(rule *config.Config, name string) bool {
	matches := func(pattern string) bool {
		re, err := regexp.Compile(pattern)
		return err == nil && re.MatchString(name)
	}
	switch {
	case rule.EncryptedRegex != "":
		return matches(rule.EncryptedRegex)
	case rule.UnencryptedRegex != "":
		return !matches(rule.UnencryptedRegex)
	case rule.EncryptedSuffix != "":
		return strings.HasSuffix(name, rule.EncryptedSuffix)
	case rule.UnencryptedSuffix != "":
		return !strings.HasSuffix(name, rule.UnencryptedSuffix)
	}
	return !strings.HasSuffix(name, sops.DefaultUnencryptedSuffix)
}
