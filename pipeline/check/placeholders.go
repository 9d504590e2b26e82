package check

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// placeholderPatterns match what templates leave for a person to fill in.
// A word only counts where no letter stands before it, so that they do not
// match inside random secrets and longer words.
var placeholderPatterns = []*regexp.Regexp{
	regexp.MustCompile(`(?:^|[^A-Za-z])CHANGE[_-]?ME`),
	regexp.MustCompile(`(?i)(?:^|[^a-z])change[_-]?me(?:[^a-z]|$)`),
	regexp.MustCompile(`(?:^|[^A-Za-z0-9+/=])(?:TODO|FIXME|XXX+)(?:[^A-Za-z0-9+/=]|$)`),
	regexp.MustCompile(`(?:^|[^A-Za-z])(?:YOUR[_-][A-Z]|your_[a-z])`),
	regexp.MustCompile(`^<[^<>]+>$`),
	regexp.MustCompile(`[:/]<[A-Za-z][^<>@/]*>@`), // in the credentials of a URL
}

// placeholdersCheck finds values that nobody has filled in.
type placeholdersCheck struct {
	Patterns []pattern `check:"patterns"` // besides the usual ones
	Ignore   []text    `check:"ignore"`   // names of variables and of compose fields
}

func newPlaceholders() Check { return &placeholdersCheck{} }

func (c *placeholdersCheck) Run(_ context.Context, w *World) Result {
	var names, values []string
	count := 0
	if w.Env != nil {
		for _, v := range w.Env.Vars() {
			count++
			if s := v.Value.Reveal(); c.found(s) {
				values = append(values, s)
				if !c.ignored(v.Name) {
					names = append(names, v.Name)
				}
			}
		}
	}
	if w.Project != nil && w.Project.Compose != nil {
		fields, err := composeStrings(w)
		if err != nil {
			return failed("cannot look through the compose files: "+err.Error(), "")
		}
		for _, f := range fields {
			count++
			// What a variable has brought there was judged under its name.
			brought := slices.ContainsFunc(values, func(s string) bool { return strings.Contains(f.value, s) })
			if !brought && !c.ignored(f.name) && c.found(f.value) {
				names = append(names, f.path)
			}
		}
	}
	if len(names) > 0 {
		return failed("placeholders were left in "+strings.Join(names, ", "),
			"give them real values; list under ignore what only looks like a placeholder")
	}
	return passed(fmt.Sprintf("no placeholder in %d values", count))
}

func (c *placeholdersCheck) ignored(name string) bool {
	return slices.ContainsFunc(c.Ignore, func(t text) bool { return t.plain == name })
}

func (c *placeholdersCheck) found(value string) bool {
	matches := func(p *regexp.Regexp) bool { return p.MatchString(value) }
	return slices.ContainsFunc(placeholderPatterns, matches) ||
		slices.ContainsFunc(c.Patterns, func(p pattern) bool { return matches(p.Regexp) })
}

// A composeString is one string of the resolved compose files.
type composeString struct{ path, name, value string }

func composeStrings(w *World) ([]composeString, error) {
	raw, err := json.Marshal(w.Project.Compose)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	var out []composeString
	var walk func(path, name string, v any)
	walk = func(path, name string, v any) {
		switch v := v.(type) {
		case string:
			out = append(out, composeString{path, name, v})
		case []any:
			for i, item := range v {
				walk(join(path, strconv.Itoa(i)), name, item)
			}
		case map[string]any:
			for _, key := range sortedKeys(v) {
				walk(join(path, key), key, v[key])
			}
		}
	}
	walk("", "", tree)
	return out, nil
}
