package check

import (
	"strings"
	"unicode"
)

// excerpt returns the first limit characters of s on one line, printable only.
func excerpt(s string, limit int) string {
	var out strings.Builder
	count, blank := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			blank = out.Len() > 0
			continue
		}
		if blank {
			out.WriteByte(' ')
			count++
		}
		blank = false
		if count >= limit {
			return out.String() + "…"
		}
		out.WriteRune(r)
		count++
	}
	return out.String()
}

// LastLines returns the last lines of a log, each bounded and printable.
func LastLines(log string, limit int) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) > limit {
		lines = lines[len(lines)-limit:]
	}
	for i, line := range lines {
		lines[i] = excerpt(line, 300)
	}
	return strings.Join(lines, "\n")
}
