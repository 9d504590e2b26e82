package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
)

// maxFile bounds an env file in bytes, as committed and as decrypted.
const maxFile = 1 << 20

// maxValue bounds one value in bytes. Linux starts no process with a longer one.
const maxValue = 128 << 10

// maxValues bounds all values together, which refer to one another, in bytes.
const maxValues = 4 << 20

// maxBraced bounds the ${…} in one value: the parser goes over the rest of the
// value for each, and they can be nested.
const maxBraced = 256

const bom = "\uFEFF"

var (
	validName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.\[\]-]*$`)
	exportPrefix = regexp.MustCompile(`^export\s+`)
	// Of the escapes that double quotes allow, these are hardly ever written
	// on purpose: a password has them by chance, a Windows path by nature.
	oddEscape = regexp.MustCompile(`\\(?:[^abcftv0]|([abcftv0]))`)
)

// readEnv reads a decrypted file by Compose's rules. The variables named in
// secret are those that the committed file has encrypted.
func readEnv(path string, text []byte, encrypted bool, secret map[string]bool) (*Env, error) {
	if err := readable(path, text); err != nil {
		return nil, err
	}
	statements, err := split(path, strings.TrimPrefix(string(text), bom))
	if err != nil {
		return nil, err
	}
	env := NewEnv(path, encrypted, nil)
	whole := NewValue(string(text))
	env.text = &whole
	size := 0
	for _, s := range statements {
		if first, ok := env.Lookup(s.name); ok {
			return nil, &Error{Path: path, Line: s.line,
				Problem: fmt.Sprintf("%s is given twice, first in line %d", s.name, first.Line),
				Hint:    "keep one of the two"}
		}
		v, err := s.read(env, secret[s.name])
		if size += len(v.Value.Reveal()); err == nil && size > maxValues {
			err = errTooLong
		}
		if err != nil {
			return nil, &Error{Path: path, Line: s.line, Problem: s.name + ": " + err.Error(), Hint: remedy(err)}
		}
		env.set(v)
	}
	return env, nil
}

// readable refuses what is no text of a bearable size.
func readable(path string, text []byte) error {
	if len(text) > maxFile {
		return &Error{Path: path, Problem: "is larger than 1 MiB", Hint: "mount large content as a file instead"}
	}
	if at := bytes.IndexByte(text, 0); at >= 0 {
		return &Error{Path: path, Line: lineOf(text, at), Problem: "holds a NUL byte", Hint: "save the file as UTF-8"}
	}
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return &Error{Path: path, Line: lineOf(text, len(text)-len(rest)), Problem: "is not UTF-8", Hint: "save the file as UTF-8"}
		}
		rest = rest[size:]
	}
	return nil
}

func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// read takes the value from Compose's own parser, and judges what it did to it.
func (s statement) read(env *Env, secret bool) (Var, error) {
	if len(s.value) > maxValue {
		return Var{}, errTooLong
	}
	if s.quote != '\'' && strings.Count(s.value, "${") > maxBraced {
		return Var{}, fmt.Errorf("has more than %d ${…} in its value", maxBraced)
	}
	refs := newReferences(env, s.value)
	values, err := dotenv.UnmarshalWithLookup(s.name+"="+s.value, refs.lookup)
	if err != nil {
		return Var{}, reason(err)
	}
	if refs.bytes > maxValue || len(values[s.name]) > maxValue {
		return Var{}, errTooLong
	}
	secret = secret || refs.secret
	return Var{
		Name:    s.name,
		Value:   NewValue(values[s.name]),
		Secret:  secret,
		Changed: s.changed(refs.undefined, secret),
		Line:    s.line,
	}, nil
}

var errTooLong = fmt.Errorf("its value is longer than the %d KiB that a container starts with, or all values together than %d MiB", maxValue>>10, maxValues>>20)

func remedy(err error) string {
	if errors.Is(err, errTooLong) {
		return "mount large content as a file instead"
	}
	return "put the value in single quotes if it is meant as written"
}

// reason puts an error of Compose's parser in other words, since its own
// quote the value.
func reason(err error) error {
	var missing *template.MissingRequiredError
	if errors.As(err, &missing) {
		return errors.New("requires, with ${…?…}, a variable that has no value earlier in this file")
	}
	return errors.New("a $ in its value does not begin the name of a variable")
}

// changed reports whether the parser did something to the value that a person
// may not have meant: dropped a $ and what follows, cut the value at " #", or
// read an unusual escape. A reference to an earlier variable is meant, and so
// is a comment, unless it was encrypted together with the value.
func (s statement) changed(undefined, secret bool) bool {
	switch s.quote {
	case '\'':
		return false
	case '"':
		for _, m := range oddEscape.FindAllStringSubmatch(s.value, -1) {
			if m[1] != "" {
				return true
			}
		}
	default:
		if _, comment, cut := strings.Cut(s.value, " #"); cut && (secret || !startsBlank(comment)) {
			return true
		}
	}
	return undefined || strings.Contains(s.value, "$$")
}

func startsBlank(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s == "" || unicode.IsSpace(r)
}
