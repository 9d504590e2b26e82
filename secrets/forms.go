package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formsOf returns every form in which the secret is masked.
func formsOf(secret string) []string {
	var forms []string
	add := func(texts ...string) {
		for _, text := range texts {
			// What the mask itself contains would be masked again and again.
			if utf8.RuneCountInString(text) >= minMasked && !strings.Contains(redacted, text) {
				forms = append(forms, text)
			}
		}
	}
	for _, part := range partsOf(secret) {
		if utf8.RuneCountInString(part) < minMasked {
			continue
		}
		add(part)
		add(jsonForms(part)...)
		add(urlForms(part)...)
		add(base64Forms(part)...)
	}
	return forms
}

// partsOf returns the secret, and what of it appears alone: the secret without
// the white space around it, its lines, and the password of a URL.
func partsOf(secret string) []string {
	parts := []string{secret, strings.TrimSpace(secret)}
	if strings.Contains(secret, "\n") {
		for line := range strings.Lines(secret) {
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	if u, err := url.Parse(secret); err == nil && u.User != nil {
		password, _ := u.User.Password()
		parts = append(parts, password)
	}
	return parts
}

// jsonForms returns the secret as encoders of JSON, and Go's %q, write it.
func jsonForms(s string) []string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	_ = e.Encode(s) // a string always encodes
	html := unquote(strings.TrimSuffix(out.String(), "\n"))
	out.Reset()
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	plain := unquote(strings.TrimSuffix(out.String(), "\n"))
	return []string{
		html, plain,
		strings.ReplaceAll(plain, "/", `\/`), // PHP's
		unquote(strconv.Quote(s)),
		unquote(strconv.QuoteToASCII(s)), // with \u00e9, like Python's
	}
}

func unquote(s string) string { return s[1 : len(s)-1] }

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// urlForms returns the secret escaped for a query, a path, credentials, and as
// JavaScript's encodeURIComponent does, with hexadecimal of either case.
func urlForms(s string) []string {
	query := url.QueryEscape(s)
	component := strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(query)
	forms := []string{
		query,
		strings.ReplaceAll(query, "+", "%20"),
		component,
		url.PathEscape(s),
		(&url.URL{Path: "/" + s}).EscapedPath()[1:],
		strings.TrimPrefix(url.UserPassword("", s).String(), ":"),
	}
	for _, form := range forms {
		forms = append(forms, percent.ReplaceAllStringFunc(form, strings.ToLower))
	}
	return forms
}

// base64Forms returns the secret as base64 has it, alone and inside a longer
// text: there it begins at one of three offsets into a group of three bytes,
// and the characters that it shares with its neighbours are left out.
func base64Forms(s string) []string {
	var forms []string
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		forms = append(forms, encoding.EncodeToString([]byte(s)))
		raw := encoding.WithPadding(base64.NoPadding)
		forms = append(forms, raw.EncodeToString([]byte(s)))
		for before := range 3 {
			text := raw.EncodeToString(append(make([]byte, before), s...))
			first := (before*8 + 5) / 6
			last := (before + len(s)) * 8 / 6
			forms = append(forms, text[first:last])
		}
	}
	return forms
}
