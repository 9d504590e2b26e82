package webhook

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// Longest texts that are taken from a delivery, in runes.
const (
	maxName     = 100
	maxSubject  = 200
	maxDelivery = 200
	maxRef      = 1000
)

// checkRef accepts full names only: a tag can bear the name of a branch, so a
// short name could mean either.
func checkRef(ref string) error {
	switch {
	case ref == "":
		return fmt.Errorf("%w: ref is missing", ErrMalformed)
	case len(ref) > maxRef:
		return fmt.Errorf("%w: ref is longer than %d bytes", ErrMalformed, maxRef)
	case !strings.HasPrefix(ref, "refs/"):
		return fmt.Errorf("%w: ref %.80q is not a full name such as refs/heads/main", ErrMalformed, ref)
	case strings.Contains(ref, "..") || strings.ContainsAny(ref, " ~^:?*[\\") || strings.ContainsFunc(ref, unicode.IsControl):
		return fmt.Errorf("%w: ref %.80q is not a name that Git allows", ErrMalformed, ref)
	}
	return nil
}

// commitID returns a commit's id in lower case, empty for the id of all zeros
// that stands for "no commit" (40 digits with SHA-1, 64 with SHA-256).
func commitID(field, id string) (string, error) {
	if len(id) != 40 && len(id) != 64 {
		return "", fmt.Errorf("%w: %s is not a commit id of 40 or 64 hexadecimal digits", ErrMalformed, field)
	}
	if _, err := hex.DecodeString(id); err != nil {
		return "", fmt.Errorf("%w: %s is not a commit id: %v", ErrMalformed, field, err)
	}
	if strings.Trim(id, "0") == "" {
		return "", nil
	}
	return strings.ToLower(id), nil
}

// abbreviatedID is commitID where a forge may send only the beginning of an
// id. That names no commit for certain: it is left out, and the fetch finds it.
func abbreviatedID(field, id string) (string, error) {
	if len(id) >= 7 && len(id) < 40 {
		if _, err := hex.DecodeString(id[:len(id)&^1]); err != nil {
			return "", fmt.Errorf("%w: %s is not a commit id: %v", ErrMalformed, field, err)
		}
		return "", nil
	}
	return commitID(field, id)
}

// deliveryID reads the header that identifies a delivery.
func deliveryID(h http.Header, name string) (string, error) {
	id := h.Get(name)
	return id, checkDeliveryID(name, id)
}

// firstID is deliveryID of the first header that is there.
func firstID(h http.Header, names ...string) (string, error) {
	for _, name := range names {
		if id, err := deliveryID(h, name); id != "" || err != nil {
			return id, err
		}
	}
	return "", nil
}

// checkDeliveryID refuses an id that is too long rather than cutting it: it is
// a key in the store.
func checkDeliveryID(name, id string) error {
	if len(id) > maxDelivery || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: %s is longer than %d bytes or not plain ASCII", ErrMalformed, name, maxDelivery)
	}
	return nil
}

// line returns the first line of s cut to limit runes, without what does not
// show: control characters would write into a terminal, and marks that turn
// the direction of text would let a subject read as something else.
func line(s string, limit int) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	var b strings.Builder
	for _, r := range s {
		if limit == 0 {
			break
		}
		if !unicode.IsGraphic(r) {
			continue
		}
		b.WriteRune(r)
		limit--
	}
	return strings.TrimSpace(b.String())
}

// first returns the first string that is not empty.
func first(options ...string) string {
	for _, s := range options {
		if s != "" {
			return s
		}
	}
	return ""
}
