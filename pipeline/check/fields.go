package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/go-units"
)

// A pattern is a regular expression in a check's field.
type pattern struct {
	*regexp.Regexp
	shown string
}

func (p *pattern) set(t text) error {
	re, err := regexp.Compile(t.plain)
	if err != nil {
		return fmt.Errorf("%q is not a regular expression", t)
	}
	*p = pattern{re, t.shown}
	return nil
}

func (p pattern) String() string { return p.shown }

// A size is a number of bytes, written as 2GiB or 500MB.
type size int64

func (s *size) set(t text) error {
	parse := units.FromHumanSize
	if strings.Contains(strings.ToLower(t.plain), "ib") {
		parse = units.RAMInBytes
	}
	n, err := parse(t.plain)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a size; write 2GiB or 500MB", t)
	}
	*s = size(n)
	return nil
}

func (s size) String() string { return units.BytesSize(float64(s)) }

// argv is a command and its arguments. A command line in one string would
// need a shell, and is refused.
type argv []text

func (a *argv) decode(d *decoder, path string, n node) {
	if n.kind != aList || len(n.list) == 0 {
		d.fail(path, n.at, "want a list such as [nginx, -t]: no shell takes a line apart")
		return
	}
	for _, item := range n.list {
		if item.kind != aScalar {
			d.fail(path, item.at, "want a list of words, not of %s", item.kind)
			continue
		}
		word, _ := d.fill(path, item)
		*a = append(*a, word)
	}
}

func (a argv) plain() []string {
	out := make([]string, len(a))
	for i, word := range a {
		out[i] = word.plain
	}
	return out
}

func (a argv) String() string {
	out := make([]string, len(a))
	for i, word := range a {
		out[i] = word.shown
	}
	return strings.Join(out, " ")
}

// severity says what a check that failed does to its stage.
type severity string

const (
	severityError severity = "error"
	severityWarn  severity = "warn"
)

func (s *severity) set(t text) error {
	if !slices.Contains([]severity{severityError, severityWarn}, severity(t.plain)) {
		return fmt.Errorf("%q is neither error nor warn", t)
	}
	*s = severity(t.plain)
	return nil
}
