package webhook

import "bytes"

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns where the value at i has ended, -1 where it does not end.
func skipValue(text []byte, i int) int {
	from, depth := i, 0
	for i < len(text) {
		switch text[i] {
		case '"':
			if i = skipString(text, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
		case '}', ']', ',', ' ', '\n', '\t', '\r':
			if depth == 0 { // a number or a word
				return endAfter(from, i)
			}
			if text[i] == '}' || text[i] == ']' {
				depth--
			}
			i++
		default:
			i++
			continue // only what was closed ends here
		}
		if depth == 0 {
			return i
		}
	}
	if depth > 0 {
		return -1
	}
	return endAfter(from, i)
}

func endAfter(from, i int) int {
	if i == from {
		return -1
	}
	return i
}

// skipString returns where the string that begins at from has ended, -1 where
// it does not end.
func skipString(text []byte, from int) int {
	for i := from + 1; ; {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		escapes := 0
		for text[i-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}
