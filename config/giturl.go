package config

import (
	"net/url"
	"regexp"
	"strings"
)

// A transport is what a Git URL is fetched over; empty where the URL is wrong.
type transport string

const (
	transportHTTP transport = "http"
	transportSSH  transport = "ssh"
	transportFile transport = "file"
)

// scpRule is the short form of an SSH address.
var scpRule = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s-][^\s]*$`)

const (
	gitURLHint     = "write https://host/path, ssh://git@host/path, git@host:path or file:///path"
	credentialHint = "take them out and give auth: {username, password_file} beside the url; a token in a URL ends up in logs"
)

// validateGitURL never prints the URL, which may hold a token.
func validateGitURL(doc *document, path, text string) transport {
	if scpRule.MatchString(text) && !strings.Contains(text, "://") {
		return transportSSH
	}
	u, err := url.Parse(text)
	if err != nil {
		doc.fail(path, gitURLHint, "this is not a URL")
		return ""
	}
	_, password := u.User.Password()
	switch {
	case password || u.User != nil && u.Scheme != "ssh":
		doc.fail(path, credentialHint, "this URL holds credentials")
	case u.RawQuery != "" || u.Fragment != "":
		doc.fail(path, credentialHint, "this URL has a query or a fragment")
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Path != "":
		return transportHTTP
	case u.Scheme == "ssh" && u.Host != "" && u.Path != "":
		return transportSSH
	case u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return transportFile
	default:
		doc.fail(path, gitURLHint, "this is not a URL that Git can fetch from")
	}
	return ""
}
