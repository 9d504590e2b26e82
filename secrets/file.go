package secrets

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
)

const (
	maxPlain  = 1 << 20      // of a decrypted file, in bytes
	maxSealed = 2 * maxPlain // of an encrypted one: base64 and metadata
	// maxSecrets bounds the values of a file that are kept out of free text: each
	// has some twenty forms.
	maxSecrets = 10_000
)

func tooLarge(path string) *Error {
	return &Error{Path: path, Problem: "is larger than 1 MiB, which is more than what is encrypted may be",
		Hint: "encrypt what is secret of it in a file of its own"}
}

// A File is a decrypted file of any format. It lives in memory only, and is
// not changed once it is made.
type File struct {
	path    string
	content Value
	secrets []Value
	names   []string // of secrets, in the same order; none for a binary file
}

// NewFile makes a File of what is known of it.
func NewFile(path string, content Value, secrets ...Value) *File {
	return &File{path: path, content: content, secrets: secrets}
}

// Path is the file in the snapshot that the File was read from.
func (f *File) Path() string { return f.path }

// Content is the whole file in plain, in the format that it was encrypted from.
func (f *File) Content() Value { return f.content }

// Secrets returns what must not be shown of it: the values that were
// encrypted; of a binary file its lines, and what these give a value.
func (f *File) Secrets() []Value { return f.secrets }

// Names are those of the encrypted values, such as db.password, where the file
// has names.
func (f *File) Names() []string { return f.names }

// minAlone is from how many bytes on a line of a binary file says something
// without the others.
const minAlone = 20

// Values are the secrets that must be in no other file: not comments, nor what
// is common in any text.
func (f *File) Values() []Var {
	var out []Var
	for i, v := range f.secrets {
		switch {
		case len(f.names) == len(f.secrets):
			if !strings.HasSuffix(f.names[i], commentMark) {
				out = append(out, Var{Name: f.names[i], Value: v, Secret: true})
			}
		case len(v.Reveal()) >= minAlone && !strings.ContainsAny(v.Reveal(), " \t\n"):
			out = append(out, Var{Name: "a line", Value: v, Secret: true})
		}
	}
	return out
}

// OpenFile reads a committed file of any format; nil where SOPS did not
// encrypt it. The error is an *Error, or that of ctx where it ends first.
func (k Keyring) OpenFile(ctx context.Context, path string, data []byte) (*File, error) {
	f, err := formatOfFile(path, data)
	if err != nil || f == plainFormat {
		return nil, err
	}
	if len(data) > maxSealed {
		return nil, tooLarge(path)
	}
	file, err := k.decrypt(ctx, path, f, data)
	if err != nil {
		return nil, err
	}
	if len(file.plain) > maxPlain {
		return nil, tooLarge(path)
	}
	out := &File{path: path, content: NewValue(string(file.plain))}
	for _, v := range file.sealed {
		if text := textOf(v.plain); text != "" {
			out.names = append(out.names, v.called())
			out.secrets = append(out.secrets, NewValue(text))
		}
	}
	if f == binaryFormat {
		out.names, out.secrets = nil, secretsIn(file.plain)
	}
	if len(out.secrets) > maxSecrets {
		return nil, &Error{Path: path, Problem: fmt.Sprintf("has more than %d secret values, which is more than can be kept out of the logs", maxSecrets),
			Hint: "encrypt what is secret of it in a file of its own"}
	}
	return out, nil
}

// commentMark ends the name of an encrypted comment, which is that of what it
// stands in.
const commentMark = "#"

func (v sealedValue) called() string {
	if _, ok := v.plain.(sops.Comment); ok {
		return v.name + commentMark
	}
	return v.name
}

// textOf is a value as programs write it. True and false are no secrets.
func textOf(plain any) string {
	switch v := plain.(type) {
	case string:
		return v
	case sops.Comment:
		return strings.TrimSpace(v.Value)
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return ""
}
