package forge

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// An address is where a repository is, by its clone URL: the host, and the
// parts of its path without `.git`.
type address struct {
	host  string
	parts []string
}

// addressOf reads a clone URL, or the name that is given instead of it. Its
// errors do not show the URL.
func addressOf(clone, name string) (address, error) {
	host, path := "", name
	if !strings.Contains(clone, "://") { // git@host:path
		if before, after, ok := strings.Cut(clone, ":"); ok {
			_, host, _ = strings.Cut(before, "@")
			path = or(name, after)
		}
	} else if u, err := url.Parse(clone); err == nil {
		host = u.Hostname()
		path = or(name, u.Path)
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return address{}, errors.New("the repository's path has . or .. in it")
		}
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) < 2 {
		return address{}, fmt.Errorf("the repository's url does not say what it is called at the forge; give repository: owner/name")
	}
	return address{host: host, parts: parts}, nil
}

func or(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// pair returns the last two parts: owner and name. What is before them is a
// folder that the forge is served below.
func (a address) pair() (owner, name string) {
	n := len(a.parts)
	return a.parts[n-2], a.parts[n-1]
}

// below returns the parts without the ones that a forge which is served below
// a folder, as its API's path says, has in every clone URL.
func (a address) below(folder string) []string {
	parts := a.parts
	for part := range strings.SplitSeq(strings.Trim(folder, "/"), "/") {
		if part == "" {
			continue
		}
		if len(parts) < 3 || parts[0] != part {
			return a.parts
		}
		parts = parts[1:]
	}
	return parts
}

// escape makes a path of parts.
func escape(parts ...string) string {
	out := make([]string, len(parts))
	for i, part := range parts {
		out[i] = url.PathEscape(part)
	}
	return strings.Join(out, "/")
}
