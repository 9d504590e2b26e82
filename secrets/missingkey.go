package secrets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	sopsage "github.com/getsops/sops/v3/age"
)

// missingKey is the error for a file that no key at hand decrypts: for whom it
// is encrypted, where keys were looked for, and what to do.
func missingKey(path string, metadata *sops.Metadata, service *keyService) *Error {
	var needs []string
	for _, group := range metadata.KeyGroups {
		for _, key := range group {
			needs = append(needs, key.TypeToIdentifier()+" "+key.ToString())
		}
	}
	problem := fmt.Sprintf("no key at hand decrypts it: it is encrypted for %s; looked in %s",
		listed(needs), strings.Join(append(service.looked(), environment()), ", "))
	if len(service.refused) > 0 {
		problem += "; answered: " + listed(service.refused)
	}
	hint := "put the private key of one of these recipients in a file of secrets.age_key_files"
	if own := service.recipients(); len(own) > 0 {
		hint = fmt.Sprintf("where the file can be decrypted, run `sops rotate -i --add-age %s` on it, or %s", own[0], hint)
	}
	return &Error{Path: path, Problem: problem, Hint: hint, NoKey: true}
}

// listed joins what came with the file, and bounds it.
func listed(items []string) string {
	const most = 10
	if len(items) > most {
		items = append(items[:most:most], fmt.Sprintf("%d more", len(items)-most))
	}
	clean := make([]string, len(items))
	for i, item := range items {
		clean[i] = strings.Map(printable, firstLine(item))
	}
	return strings.Join(clean, ", ")
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// looked says of each key file which recipients it serves, or why none.
func (s *keyService) looked() []string {
	if len(s.files) == 0 {
		return []string{"no key file (secrets.age_key_files is empty)"}
	}
	out := make([]string, len(s.files))
	for i, f := range s.files {
		if f.err != nil {
			out[i] = fmt.Sprintf("%s (%s)", f.path, withoutPath(f.err))
			continue
		}
		out[i] = fmt.Sprintf("%s (for %s)", f.path, listed(recipientsOf(f.identities)))
	}
	return out
}

func withoutPath(err error) string {
	text := err.Error()
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		text = pathErr.Err.Error()
	}
	return text
}

func (s *keyService) recipients() []string {
	var out []string
	for _, r := range recipientsOf(s.identities()) {
		if strings.HasPrefix(r, "age1") {
			out = append(out, r)
		}
	}
	return out
}

// recipientsOf returns the public keys, which are no secret.
func recipientsOf(identities []age.Identity) []string {
	out := make([]string, len(identities))
	for i, identity := range identities {
		switch identity := identity.(type) {
		case *age.X25519Identity:
			out[i] = identity.Recipient().String()
		case *age.HybridIdentity:
			out[i] = identity.Recipient().String()
		default:
			out[i] = fmt.Sprintf("another kind of key, %T", identity)
		}
	}
	return out
}

// environment says where SOPS looks for age keys by itself, and what is there.
func environment() string {
	var places []string
	for _, name := range []string{sopsage.SopsAgeKeyEnv, sopsage.SopsAgeKeyFileEnv, sopsage.SopsAgeKeyCmdEnv} {
		state := " not set"
		switch value := os.Getenv(name); {
		case value == "":
		case name != sopsage.SopsAgeKeyFileEnv:
			state = " set"
		case !filepath.IsAbs(value): // it may be a key, by mistake
			state = " set to what is no absolute path"
		default:
			state = "=" + found(value)
		}
		places = append(places, name+state)
	}
	if dir, err := os.UserConfigDir(); err == nil {
		places = append(places, found(filepath.Join(dir, sopsage.SopsAgeKeyUserConfigPath)))
	}
	return "and where SOPS looks by itself (" + strings.Join(places, ", ") + ")"
}

// found says whom a key file of SOPS's own serves, or why none.
func found(file string) string {
	recipients, err := RecipientsOf(file)
	if err != nil {
		return fmt.Sprintf("%s (%s)", file, withoutPath(err))
	}
	return fmt.Sprintf("%s (for %s)", file, listed(recipients))
}

// RecipientsOf returns the public keys of age that belong to the identities in
// a key file, in its order.
func RecipientsOf(file string) ([]string, error) {
	identities, err := readIdentities(file)
	if err != nil {
		return nil, err
	}
	s := keyService{files: []keyFile{{identities: identities}}}
	if own := s.recipients(); len(own) > 0 {
		return own, nil
	}
	return nil, errors.New("no age identity in it")
}
