package secrets

import (
	"io"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// minMasked is how many characters (runes) a value needs to be masked in free
// text. Shorter ones, such as "true" or "5000", would blank every line.
const minMasked = 6

// A Redactor masks secret values in free text, in whatever form they take
// there: as they are, each line of them, base64 (also within longer base64,
// as in Basic credentials), escaped for a URL, in JSON, or quoted by Go. It
// may be used by many goroutines at once.
type Redactor struct {
	adding  sync.Mutex
	forms   map[string]struct{} // guarded by adding
	matcher atomic.Pointer[matcher]
}

// NewRedactor makes a Redactor that masks nothing yet.
func NewRedactor() *Redactor {
	r := &Redactor{forms: make(map[string]struct{})}
	r.matcher.Store(newMatcher(nil))
	return r
}

// Add has the values masked from now on. Values of less than 6 characters are
// left out.
func (r *Redactor) Add(values ...Value) {
	r.adding.Lock()
	defer r.adding.Unlock()
	before := len(r.forms)
	for _, v := range values {
		for _, form := range formsOf(v.Reveal()) {
			r.forms[form] = struct{}{}
		}
	}
	if len(r.forms) > before {
		r.matcher.Store(newMatcher(r.forms))
	}
}

// Redact returns the text with every secret in it masked.
func (r *Redactor) Redact(text string) string {
	m := r.matcher.Load()
	if !m.matches([]byte(text)) {
		return text
	}
	return string(m.maskAll([]byte(text)))
}

// Bytes is Redact for bytes; it may return the slice that it was given.
func (r *Redactor) Bytes(text []byte) []byte {
	m := r.matcher.Load()
	if !m.matches(text) {
		return text
	}
	return m.maskAll(text)
}

// Writer returns a writer that hands whole lines, masked, to w. It holds what
// may be the beginning of a secret, so that one is masked however it is split
// over writes. What it holds is bounded by 64 KiB and the longest form of a
// secret. Close writes the rest and does not close w. The writer may be used
// by many goroutines at once.
func (r *Redactor) Writer(w io.Writer) io.WriteCloser {
	return &maskingWriter{redactor: r, to: w}
}

// TooShort returns the secret variables whose values are too short to be
// masked in free text, in the order of the file.
func TooShort(env *Env) []string {
	var names []string
	for _, v := range env.Vars() {
		if v.Secret && !v.Value.Empty() && utf8.RuneCountInString(v.Value.Reveal()) < minMasked {
			names = append(names, v.Name)
		}
	}
	return names
}
