package project

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// remote is what Compose takes for a resource elsewhere: a URL, a Git or an
// OCI reference.
var remote = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:|://|^git@|^github\.com/`)

// confine resolves a path as it is written in a file against dir, a folder of
// the tree, and refuses what does not stay inside the tree.
func confine(dir, p string) (string, error) {
	switch {
	case p == "":
		return "", fmt.Errorf("an empty path; name a file of the repository")
	case remote.MatchString(p):
		return "", fmt.Errorf("%s is remote; only files of the same commit are used, so copy it into the repository", p)
	case strings.HasPrefix(p, "~"):
		return "", fmt.Errorf("%s names a home folder, and which one would depend on the server; write the whole path", p)
	case path.IsAbs(p):
		return "", fmt.Errorf("%s is absolute; use a path relative to the file, inside the repository", p)
	case strings.ContainsAny(p, "\\\x00") || !utf8.ValidString(p):
		return "", fmt.Errorf("%q is no path with slashes; use forward slashes, inside the repository", p)
	}
	joined := path.Join(dir, p)
	if joined == ".." || strings.HasPrefix(joined, "../") {
		return "", fmt.Errorf("%s leaves the repository; keep the file inside it", p)
	}
	return joined, nil
}
