package notify

import (
	"cmp"
	"errors"
	"io"
	"log"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Send sends one message through shoutrrr, within its ten seconds.
func Send(to, title, text string) error {
	sender, err := shoutrrr.NewSender(log.New(io.Discard, "", 0), to)
	if err != nil {
		return err
	}
	params := types.Params{}
	params.SetTitle(title)
	// Some services show no title.
	return errors.Join(sender.Send(title+"\n"+text, &params)...)
}

// Check reports whether messages can be sent to a URL, as far as it can be
// told without sending one. The error does not show the URL.
func Check(to string) error {
	if _, err := shoutrrr.NewSender(log.New(io.Discard, "", 0), to); err != nil {
		text := err.Error()
		if _, cause, found := strings.Cut(text, "error initializing router services: "); found {
			text = cause
		}
		return errors.New(withoutSecrets(text, to))
	}
	return nil
}

const shortestSecret = 6 // characters; a shorter part says nothing and occurs everywhere

// withoutSecrets takes the parts of a URL that may be tokens out of a text.
func withoutSecrets(text, raw string) string {
	parts := []string{raw}
	if u, err := url.Parse(raw); err == nil {
		if password, ok := u.User.Password(); ok {
			parts = append(parts, password)
		}
		parts = append(parts, u.User.Username(), u.Host, u.RawQuery)
		parts = append(parts, strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == ':' })...)
		for _, values := range u.Query() {
			parts = append(parts, values...)
		}
		parts = append(parts, strings.FieldsFunc(u.Host, func(r rune) bool { return r == ':' })...)
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, part := range parts {
		if len(part) >= shortestSecret {
			text = strings.ReplaceAll(text, part, "[redacted]")
			text = strings.ReplaceAll(text, url.PathEscape(part), "[redacted]")
			text = strings.ReplaceAll(text, url.QueryEscape(part), "[redacted]")
		}
	}
	return text
}
