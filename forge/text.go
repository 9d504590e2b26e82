package forge

import (
	"strings"
	"unicode/utf8"
)

// cut shortens a text to a number of characters, and says so by an ellipsis:
// forges refuse what is longer.
func cut(text string, limit int) string {
	text = strings.ToValidUTF8(text, "�")
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	return strings.TrimRight(string(runes[:limit-1]), " \n") + "…"
}

// oneLine is a text without line breaks.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
