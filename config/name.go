package config

import (
	"fmt"
	"regexp"
	"strings"
)

// nameRule is for names that appear in URLs, in file names and on the command line.
var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

const nameHint = "use up to 63 small letters, digits, dots, dashes and underscores, and start with a letter or digit"

// oneOf notes a problem unless value is one of the options.
func oneOf[T ~string](doc *document, path string, value T, options ...T) {
	names := make([]string, len(options))
	for i, option := range options {
		if value == option {
			return
		}
		names[i] = string(option)
	}
	hint := "write " + strings.Join(names, " or ")
	if near := nearest(string(value), names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	doc.fail(path, hint, "%q is not one of %s", value, strings.Join(names, ", "))
}
