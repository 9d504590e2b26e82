package check

import (
	"maps"
	"slices"
	"strings"
)

// A report gathers what a check finds when it looks at many things.
type report struct {
	failures, warnings []string
	hints              []string
}

func (r *report) fail(problem, hint string) {
	r.failures = append(r.failures, problem)
	r.hint(hint)
}

func (r *report) warn(problem, hint string) {
	r.warnings = append(r.warnings, problem)
	r.hint(hint)
}

func (r *report) hint(h string) {
	if !slices.Contains(r.hints, h) {
		r.hints = append(r.hints, h)
	}
}

// result is as bad as the worst finding. The summary says what was looked at,
// where nothing failed.
func (r *report) result(summary string) Result {
	hint := strings.Join(r.hints, "; ")
	switch {
	case len(r.failures) > 0:
		return failed(strings.Join(append(r.failures, r.warnings...), "; "), hint)
	case len(r.warnings) > 0:
		return warned(strings.Join(append(r.warnings, summary), "; "), hint)
	}
	return passed(summary)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
