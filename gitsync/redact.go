package gitsync

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
)

// userInfo is everything between a scheme and the last @ before the path.
var userInfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'<>]*@`)

// StripUserInfo takes user names and passwords out of the URLs in a text.
func StripUserInfo(text string) string {
	return userInfo.ReplaceAllString(text, "$1")
}

// scrub takes what must not be shown out of a foreign text: user info of
// URLs and the given password in each form that it is sent in.
func scrub(text, user, password string) string {
	text = StripUserInfo(text)
	if password == "" {
		return text
	}
	for _, form := range []string{
		base64.StdEncoding.EncodeToString([]byte(user + ":" + password)),
		url.QueryEscape(password),
		url.PathEscape(password),
		password,
	} {
		text = strings.ReplaceAll(text, form, "[redacted]")
	}
	return text
}

// oneLine shortens what a server said to a part of one line.
func oneLine(text string) string {
	const limit = 300
	text = strings.Join(strings.FieldsFunc(text, isControlOrSpace), " ")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return text
}
