package secrets

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Value is a string that must not be shown. However it is formatted,
// marshalled or logged, it reads "[redacted]"; only Reveal gives it.
//
// The string is behind a pointer because fmt calls no method of a field that
// is not exported: it would print a plain string, and prints an address.
type Value struct{ plain *string }

// NewValue wraps a plain string.
func NewValue(plain string) Value { return Value{&plain} }

// Reveal returns the plain string, to be handed to what needs it and kept nowhere.
func (v Value) Reveal() string {
	if v.plain == nil {
		return ""
	}
	return *v.plain
}

// Empty reports whether there is nothing to hide.
func (v Value) Empty() bool { return v.Reveal() == "" }

// Equal reports whether both hide the same string. The operator == does not.
func (v Value) Equal(other Value) bool { return v.Reveal() == other.Reveal() }

func (v Value) String() string               { return redacted }
func (v Value) GoString() string             { return redacted }
func (v Value) Format(w fmt.State, _ rune)   { _, _ = io.WriteString(w, redacted) }
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (v Value) LogValue() slog.Value         { return slog.StringValue(redacted) }
