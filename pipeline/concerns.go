package pipeline

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Concerns returns the first of the changed paths that concerns a stack: one
// in its folder, one that its last resolve read or that lies in a folder which
// it read, or one that its patterns name. Patterns are relative to the
// repository's root. A path with a slash at its end stands for all that may be
// below it: a submodule whose content is not known.
func Concerns(changed []string, dir string, patterns, reads []string) (string, error) {
	for _, name := range changed {
		folder, whole := strings.CutSuffix(name, "/")
		if inFolder(folder, dir) || whole && inFolder(dir, folder) {
			return name, nil
		}
		for _, read := range reads {
			// What was a file, and what a delivery calls one, can be a folder now.
			if inFolder(folder, read) || inFolder(read, folder) {
				return name, nil
			}
		}
		for _, pattern := range patterns {
			ok, err := doublestar.Match(pattern, folder)
			if err != nil {
				return "", fmt.Errorf("paths: %q is no pattern: %w", pattern, err)
			}
			if ok || whole && mayMatchIn(pattern, folder) {
				return name, nil
			}
		}
	}
	return "", nil
}

// inFolder reports whether a path is the folder or in it.
func inFolder(name, folder string) bool {
	return folder == "." || name == folder || strings.HasPrefix(name, folder+"/")
}

// mayMatchIn reports whether a pattern can match something in a folder.
func mayMatchIn(pattern, folder string) bool {
	if strings.Contains(pattern, "{") {
		return true // its parts can have slashes in them
	}
	parts := strings.Split(pattern, "/")
	for i, name := range strings.Split(folder, "/") {
		if i == len(parts) {
			return false
		}
		if parts[i] == "**" {
			return true
		}
		if ok, err := doublestar.Match(parts[i], name); err != nil || !ok {
			return false
		}
	}
	return true
}
