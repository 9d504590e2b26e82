package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxWhole bounds, in bytes, a file without structure that is masked as a
// whole, in any encoding, besides its lines.
const maxWhole = 16 << 10

// secretsIn returns what must not be shown of a file without structure: every
// line, and the value in lines that give one. What marks the ends of a key in
// PEM is the same in every such file.
func secretsIn(plain []byte) []Value {
	seen := map[string]bool{}
	if len(plain) <= maxWhole {
		seen[base64.StdEncoding.EncodeToString(plain)] = true
		seen[hex.EncodeToString(plain)] = true
	}
	if !isText(plain) {
		if len(plain) <= maxWhole {
			seen[string(plain)] = true
		}
		return valuesOf(seen)
	}
	for line := range strings.Lines(string(plain)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "-----BEGIN ") || strings.HasPrefix(line, "-----END ") {
			continue
		}
		seen[line] = true
		if at := strings.IndexAny(line, "=:"); at >= 0 {
			seen[strings.Trim(line[at+1:], " \t\"',;")] = true
		}
	}
	return valuesOf(seen)
}

func isText(plain []byte) bool {
	return utf8.Valid(plain) && !slices.Contains(plain, 0)
}

func valuesOf(texts map[string]bool) []Value {
	var out []Value
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		if utf8.RuneCountInString(text) >= minMasked {
			out = append(out, NewValue(text))
		}
	}
	return out
}
