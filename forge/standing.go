package forge

import (
	"slices"
	"strings"
	"time"
)

// A Standing is what a forge says of a token, and of the repository with it,
// while nothing is written.
type Standing struct {
	Lacks    []string  // what it is known to need, and not to have
	Unproven string    // what only a write would show; empty where it is known to be allowed
	Expires  time.Time // zero where the forge does not say, or never
	Needs    string    // all that it has to be allowed, for people
}

// unproven is of forges that do not tell a token's own rights.
const unproven = "whether the token itself may set statuses and write comments: only the first one shows"

// scopes reads a list of a header; nil where there is none.
func scopes(header string) []string {
	return strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' })
}

// anyOf reports whether one of the scopes is there.
func anyOf(have []string, want ...string) bool {
	return slices.ContainsFunc(want, func(w string) bool { return slices.Contains(have, w) })
}
