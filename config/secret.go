package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/goccy/go-yaml/ast"
)

const redacted = "[redacted]"

// The forms in which the file gives a secret called x.
const (
	formInline = ""      // x: the secret
	formFile   = "_file" // x_file: a file with the secret, readable by its owner and group only
	formEnv    = "_env"  // x_env: an environment variable of deployer's own
)

// A Secret is a loaded secret. However it is formatted, marshalled or logged,
// it reads "[redacted]"; only Reveal gives it.
type Secret struct {
	// A pointer, because fmt looks into fields that are not exported without
	// asking for String: it then prints the address.
	plain *string
	file  string // where it stands; empty for the other forms
	given bool   // some form is in the file, though it may not have loaded
}

// Read returns the secret as it is now: one that was given by a file is read
// from there again, so that it can be replaced while the server runs.
func (s Secret) Read() (string, error) {
	if s.file == "" {
		return s.Reveal(), nil
	}
	return readSecret(s.file)
}

// Reveal returns the secret as it was loaded, to be handed to what needs it
// and kept nowhere.
func (s Secret) Reveal() string {
	if s.plain == nil {
		return ""
	}
	return *s.plain
}

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.Reveal() == "" }

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) Format(w fmt.State, _ rune)   { _, _ = io.WriteString(w, redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }

func (*Secret) forms() []string { return []string{formInline, formFile, formEnv} }

func (s *Secret) decodeForm(d *document, form string, n ast.Node, path string) {
	if s.given {
		d.fail(path, "keep one of the three forms: the value, _file or _env", "this secret is given twice")
		return
	}
	s.given = true
	if text, ok := d.scalar(n, path); ok {
		*s = d.secret(form, text, path)
	}
}

// A SecretList is several secrets that count at the same time.
type SecretList []Secret

func (*SecretList) forms() []string { return []string{formInline, formFile, formEnv} }

// decodeForm takes a list or a single value, and adds up over the forms.
func (l *SecretList) decodeForm(d *document, form string, n ast.Node, path string) {
	if _, ok := d.follow(n).(*ast.SequenceNode); !ok {
		l.add(d, form, n, path)
		return
	}
	for i, value := range d.items(n, path) {
		l.add(d, form, value, item(path, i))
	}
}

func (l *SecretList) add(d *document, form string, n ast.Node, path string) {
	if text, ok := d.scalar(n, path); ok {
		*l = append(*l, d.secret(form, text, path))
	}
}

// maxSecret bounds a secret's file: no key or token comes near it.
const maxSecret = 64 << 10

// secret loads one secret and notes a problem where it cannot, or where it is empty.
func (d *document) secret(form, text, path string) Secret {
	s := Secret{given: true}
	switch form {
	case formFile:
		s.file = d.resolve(text)
		text = d.secretFile(s.file, path)
	case formEnv:
		name := text
		if text = os.Getenv(name); text == "" {
			d.fail(path, "set it in the unit or container that starts deployer", "environment variable %s is not set or is empty", name)
		}
	default:
		d.inline = append(d.inline, path)
		if text == "" {
			d.fail(path, "write the secret, or give it by _file or _env", "this secret is empty")
		}
	}
	s.plain = &text
	return s
}

func (d *document) secretFile(name, path string) string {
	if !d.privateFile(name, path) {
		return ""
	}
	text, err := readSecret(name)
	switch {
	case errors.Is(err, errEmpty):
		d.fail(path, "write the secret into it", "%v", err)
	case err != nil:
		d.fail(path, "", "%v", err)
	}
	return text
}

var errEmpty = errors.New("is empty")

// readSecret reads a secret from a file, without the line break that editors
// leave at its end.
func readSecret(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	content = bytes.TrimRight(content, "\r\n")
	switch {
	case err != nil:
		return "", err
	case len(content) > maxSecret:
		return "", fmt.Errorf("%s is larger than %d bytes: this is not a secret", name, maxSecret)
	case len(bytes.TrimSpace(content)) == 0:
		return "", fmt.Errorf("%s %w", name, errEmpty)
	}
	return string(content), nil
}
