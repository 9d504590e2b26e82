package secrets_test

import (
	"strings"
	"testing"

	"deployer/secrets"
)

func TestMismatchesNameWhatTheRuleDemands(t *testing.T) {
	_, mine, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	_, theirs, _ := secrets.GenerateAgeKey()
	plain := []byte("HOST=canary.org\nREG_PASSWORD=canary-secret\nEMPTY=\n")
	const some = "^REG_"
	for name, tt := range map[string]struct {
		rule       string
		recipients []string
		regex      string
		file       string
		want       []string
	}{
		"agrees":             {"encrypted_regex: '^REG_'", []string{mine}, some, "", nil},
		"everything":         {"path_regex: '[.]env[.]production$'", []string{mine}, "", "", nil},
		"stricter":           {"encrypted_regex: '^REG_'", []string{mine}, "", "", nil},
		"a value in clear":   {"encrypted_regex: '^(REG_|HOST)'", []string{mine}, some, "", []string{"in clear that .sops.yaml wants encrypted: HOST"}},
		"unencrypted_regex":  {"unencrypted_regex: '^X'", []string{mine}, some, "", []string{"wants encrypted: HOST"}},
		"suffix":             {"encrypted_suffix: ST", []string{mine}, some, "", []string{"wants encrypted: HOST"}},
		"no word about keys": {"path_regex: ''", []string{mine}, some, "", []string{"wants encrypted: HOST"}},
		"for somebody else":  {"encrypted_regex: '^REG_'", []string{theirs}, some, "", []string{"is not encrypted for age " + mine, "can be opened by age " + theirs}},
		"for somebody more":  {"encrypted_regex: '^REG_'", []string{mine, theirs}, some, "", []string{"can be opened by age " + theirs}},
		"not encrypted":      {"encrypted_regex: '^REG_'", nil, "", "", []string{"is not encrypted", "deployer secrets encrypt "}},
	} {
		t.Run(name, func(t *testing.T) {
			data := plain
			if tt.recipients != nil {
				if data, err = secrets.EncryptDotenv(plain, tt.recipients, tt.regex); err != nil {
					t.Fatal(err)
				}
			}
			rules := "creation_rules:\n  - " + tt.rule + "\n    age: " + mine + "\n"
			got, err := secrets.Mismatches([]byte(rules), "reg/.env.production", data)
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, m := range got {
				all.WriteString(m.Problem + "\n" + m.Hint + "\n")
			}
			if len(tt.want) == 0 && len(got) > 0 {
				t.Errorf("found: %s", &all)
			}
			for _, part := range tt.want {
				if !strings.Contains(all.String(), part) {
					t.Errorf("%q is not in: %s", part, &all)
				}
			}
			if strings.Contains(all.String(), "canary") {
				t.Errorf("shows a value: %s", &all)
			}
		})
	}
	for _, rules := range []string{"creation_rules:\n  - path_regex: other\n    age: " + mine, "", "creation_rules: [", "stores: {}"} {
		_, err := secrets.Mismatches([]byte(rules), ".env.production", plain)
		wantError(t, err, ".sops.yaml")
	}
}
