package server

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
)

const (
	maxText     = 200 // bytes of a parameter
	maxLimit    = 500
	normalLimit = 50
)

var commitRule = regexp.MustCompile(`^[0-9a-f]{4,64}$`)

// A query reads the parameters of a URL. The first one that is wrong is kept
// in err, and what is read after it means nothing.
type query struct {
	values url.Values
	err    error
}

// query takes the named parameters and refuses any other.
func (c *call) query(names ...string) *query {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return &query{err: badRequest("the query cannot be read: "+err.Error(), "encode the parameters as a URL needs it")}
	}
	q := &query{values: values}
	for name, given := range values {
		switch {
		case !slices.Contains(names, name):
			q.refuse(name, "is not known here", "the parameters are "+strings.Join(names, ", "))
		case len(given) > 1:
			q.refuse(name, "is given more than once", "give it once")
		}
	}
	return q
}

func (q *query) refuse(name, what, hint string) {
	if q.err == nil {
		q.err = badRequest(fmt.Sprintf("the parameter %q %s", name, what), hint)
	}
}

// cursor reads next of the page before.
func (q *query) cursor(name string) string {
	v := q.text(name)
	if v != "" && uuid.Validate(v) != nil {
		q.refuse(name, "is no cursor", "give next of the page before, as it is")
	}
	return v
}

func (q *query) text(name string) string {
	v := q.values.Get(name)
	if len(v) > maxText || strings.ContainsFunc(v, unicode.IsControl) {
		q.refuse(name, "is too long or has control characters", fmt.Sprintf("give at most %d bytes of plain text", maxText))
	}
	return v
}

func (q *query) commit(name string) string {
	v := strings.ToLower(q.values.Get(name))
	if v != "" && !commitRule.MatchString(v) {
		q.refuse(name, "is not a commit", "give 4 to 64 hexadecimal digits")
	}
	return v
}

func (q *query) time(name string) time.Time {
	v := q.values.Get(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		q.refuse(name, "is not a time", "write it as RFC 3339 has it, such as 2026-01-31T08:00:00Z")
	}
	return t
}

func (q *query) limit() int {
	v := q.values.Get("limit")
	if v == "" {
		return normalLimit
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxLimit {
		q.refuse("limit", "is not a number from 1 to 500", fmt.Sprintf("leave it out for %d", normalLimit))
	}
	return n
}

// oneOf reads a parameter that must be one of the accepted words.
func oneOf[T ~string](q *query, name string, accepted []T) T {
	v := T(q.values.Get(name))
	if v != "" && !slices.Contains(accepted, v) {
		q.refuse(name, fmt.Sprintf("is not one of the words that it takes: %.40q", v), "it takes "+words(accepted))
	}
	return v
}

func words[T ~string](list []T) string {
	var b strings.Builder
	for i, w := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}
