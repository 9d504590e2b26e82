package forge

import (
	"strings"
	"unicode"
)

// markerSafe leaves of a stack's name what cannot end a comment of HTML.
func markerSafe(stack string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_./", r) {
			return r
		}
		return '-'
	}, stack)
}

// entities are how each forge shows a character without reading it. Mentions,
// references and links are looked for once more in what was rendered, so what
// begins one is followed by a space of no width.
var entities = map[rune]string{
	'&': "&amp;", '<': "&lt;", '>': "&gt;", '|': "&#124;", '`': "&#96;", '*': "&#42;", '_': "&#95;", '=': "&#61;", '+': "&#43;",
	'[': "&#91;", ']': "&#93;", '(': "&#40;", ')': "&#41;", '{': "&#123;", '}': "&#125;", '\\': "&#92;",
	'@': "&#64;&#8203;", '#': "&#35;&#8203;", '!': "&#33;&#8203;", '~': "&#126;&#8203;", '$': "&#36;&#8203;", '%': "&#37;&#8203;", '^': "&#94;&#8203;",
	':': "&#58;",
}

// breaks end what forges take for a link without being told so.
var breaks = strings.NewReplacer("&#58;//", "&#58;&#8203;//", "www.", "www&#46;", "WWW.", "WWW&#46;")

// plain is what users wrote, as it reads: in one line, and none of it Markdown,
// HTML, a mention, a reference or a link.
func plain(s string) string {
	var b strings.Builder
	for _, r := range visible(s) {
		if e, special := entities[r]; special {
			b.WriteString(e)
		} else {
			b.WriteRune(r)
		}
	}
	out := breaks.Replace(b.String())
	if strings.HasPrefix(out, "-") { // else it could begin a list, or end a paragraph
		out = "&#45;" + out[1:]
	}
	return out
}

// coded is text in the type of code. Forges do not agree on what a pipe or a
// backtick in a span of Markdown's own code is, on what HTML is they do.
func coded(s string) string {
	return "<code>" + strings.ReplaceAll(plain(s), "&#8203;", "") + "</code>" // no forge looks for mentions in code
}

// visible bounds a text and leaves out what does not show, or turns the
// direction of what does.
func visible(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxRow {
		return string(runes[:maxRow]) + "…"
	}
	return s
}

// firstLine is the first line of an error or of evidence.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// safeLink is an address that cannot end the brackets around it.
func safeLink(url string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "<", "%3C", ">", "%3E", "\n", "").Replace(url)
}

// shortID is the beginning of a commit or digest.
func shortID(id string) string { return id[:min(len(id), 12)] }
