package secrets

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// prefix is how many bytes of a form select it. Every form is longer.
const prefix = 4

// A matcher finds forms of secrets in one pass. A small filter over the first
// four bytes of the forms rules out nearly every place of an ordinary text.
// It does not change once it is made.
type matcher struct {
	filter  [1 << 10]uint64
	forms   map[uint32][]string // by their first bytes, longest first
	longest int
	// heads are the beginnings, up to a line end, of forms of several lines.
	heads []string
}

func newMatcher(forms map[string]struct{}) *matcher {
	m := &matcher{forms: make(map[uint32][]string)}
	for form := range forms {
		key := binary.LittleEndian.Uint32([]byte(form[:prefix]))
		m.forms[key] = append(m.forms[key], form)
		word, bit := place(key)
		m.filter[word] |= bit
		m.longest = max(m.longest, len(form))
		for i := range len(form) - 1 {
			if form[i] == '\n' {
				m.heads = append(m.heads, form[:i+1])
			}
		}
	}
	for _, same := range m.forms {
		slices.SortFunc(same, longerFirst)
	}
	slices.SortFunc(m.heads, longerFirst)
	return m
}

func longerFirst(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(a, b)
}

// place is where the filter has the bit of a key, by multiplicative hashing.
func place(key uint32) (word int, bit uint64) {
	h := key * 2654435769 >> 16
	return int(h >> 6), 1 << (h & 63)
}

// at returns the length of the longest form that text begins with; 0 for none.
// The text has at least four bytes.
func (m *matcher) at(text []byte) int {
	key := binary.LittleEndian.Uint32(text)
	if word, bit := place(key); m.filter[word]&bit == 0 {
		return 0
	}
	for _, form := range m.forms[key] {
		if len(form) <= len(text) && string(text[:len(form)]) == form {
			return len(form)
		}
	}
	return 0
}

func (m *matcher) matches(text []byte) bool {
	for i := 0; i+prefix <= len(text); i++ {
		if m.at(text[i:]) > 0 {
			return true
		}
	}
	return false
}

func (m *matcher) maskAll(text []byte) []byte {
	out, _ := m.mask(make([]byte, 0, len(text)), text, 0, len(text))
	return out
}

// mask appends to dst the first limit bytes of text, with every form that
// begins in them masked; forms that overlap become one mask. The first covered
// bytes belong to a form that is masked already. It returns also how many
// bytes after limit belong to a form that began before it.
func (m *matcher) mask(dst, text []byte, covered, limit int) ([]byte, int) {
	end := covered // text[:end] is written
	for i := 0; i < limit && i+prefix <= len(text); i++ {
		n := m.at(text[i:])
		if n == 0 {
			continue
		}
		if i >= end {
			dst = append(dst, text[end:i]...)
			dst = append(dst, redacted...)
		}
		end = max(end, i+n)
	}
	if end < limit {
		dst = append(dst, text[end:limit]...)
	}
	return dst, max(end-limit, 0)
}

// complete returns how many bytes of text can be masked for good: its whole
// lines, less what may go on to be a form of several lines.
func (m *matcher) complete(text []byte) int {
	lines := bytes.LastIndexByte(text, '\n') + 1
	for _, head := range m.heads {
		if bytes.HasSuffix(text[:lines], []byte(head)) {
			return lines - len(head)
		}
	}
	return lines
}
