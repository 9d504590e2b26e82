package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Document is what has to be kept of an Env to read it again without the
// key that decrypted it. It is for sealing: only Encode gives its content, and
// marshalled by accident it reads "[redacted]".
type Document struct {
	Path       string
	Text       Value // the whole decrypted file
	Encrypted  bool
	SecretKeys []string // names of the variables that must not be shown
}

// Document returns what to keep of the Env.
func (e *Env) Document() Document {
	d := Document{Path: e.path, Encrypted: e.encrypted}
	var text strings.Builder
	for _, v := range e.vars {
		if v.Secret {
			d.SecretKeys = append(d.SecretKeys, v.Name)
		}
		fmt.Fprintf(&text, "%s=\"%s\"\n", v.Name, quoteEscapes.Replace(v.Value.Reveal()))
	}
	d.Text = NewValue(text.String())
	if e.text != nil {
		d.Text = *e.text
	}
	return d
}

// quoteEscapes writes a value such that Compose reads it back unchanged
// between double quotes.
var quoteEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`)

// OpenDocument reads a kept Env again.
func OpenDocument(d Document) (*Env, error) {
	secret := make(map[string]bool, len(d.SecretKeys))
	for _, name := range d.SecretKeys {
		secret[name] = true
	}
	return readEnv(d.Path, []byte(d.Text.Reveal()), d.Encrypted, secret)
}

// encoded is a Document as its bytes have it.
type encoded struct {
	Version    int      `json:"version"`
	Path       string   `json:"path"`
	Text       []byte   `json:"text"`
	Encrypted  bool     `json:"encrypted"`
	SecretKeys []string `json:"secret_keys"`
}

const documentVersion = 1

// Encode returns the whole Document in plain, to be sealed by a Vault.
func (d Document) Encode() []byte {
	// A struct of strings, bytes and a bool always marshals.
	out, _ := json.Marshal(encoded{documentVersion, d.Path, []byte(d.Text.Reveal()), d.Encrypted, d.SecretKeys})
	return out
}

// DecodeDocument reads what Encode wrote.
func DecodeDocument(data []byte) (Document, error) {
	var e encoded
	if err := json.Unmarshal(data, &e); err != nil {
		// The error of the decoder quotes what it met.
		return Document{}, errors.New("kept env file is damaged: it is no encoded document")
	}
	if e.Version != documentVersion {
		return Document{}, fmt.Errorf("kept env file has version %d, this program reads %d", e.Version, documentVersion)
	}
	return Document{e.Path, NewValue(string(e.Text)), e.Encrypted, e.SecretKeys}, nil
}

// MarshalJSON implements json.Marshaler.
func (d Document) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
