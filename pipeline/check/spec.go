package check

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"deployer/secrets"
)

// A Spec is one entry of a list of checks in pipeline.yaml. Its variables are
// not filled in yet. Specs may be copied and used by several goroutines.
type Spec struct {
	kind   string
	common node // the fields that every check has
	fields node // those of this one
}

// common are the fields of every check besides `check`.
type common struct {
	Name     text          `check:"name"`
	Severity severity      `check:"severity"`
	Timeout  time.Duration `check:"timeout"`
	Within   time.Duration `check:"within"`
}

var commonFields = []string{"check", "name", "severity", "timeout", "within"}

// Default returns the spec of a check without fields, as where a built-in
// check runs by itself. The name must be one of Names.
func Default(name string) Spec {
	return Spec{kind: name, common: node{kind: aTable}, fields: node{kind: aTable}}
}

// WithDefaults puts the checks of these names before a list, except those
// that the list configures itself.
func WithDefaults(list []Spec, names ...string) []Spec {
	var out []Spec
	for _, name := range names {
		if !slices.ContainsFunc(list, func(s Spec) bool { return s.kind == name }) {
			out = append(out, Default(name))
		}
	}
	return append(out, list...)
}

// Check returns the name of the check, one of Names.
func (s Spec) Check() string { return s.kind }

// Alone reports whether the check changes for a moment what others look at. It
// runs when they have ended, and only where none of them failed.
func (s Spec) Alone() bool { return kinds[s.kind].alone }

// Validate reports everything that is wrong with s and does not depend on a
// variable. A field that holds one is judged by Build.
func (s Spec) Validate() error {
	d := &decoder{find: noVariables}
	s.decode(d)
	return d.err()
}

// Build fills in the variables from env and returns the check, ready to run.
// A variable that env does not define is an error.
func (s Spec) Build(env *secrets.Env) (Check, error) {
	c, _, err := s.build(env)
	return c, err
}

func (s Spec) build(env *secrets.Env) (Check, common, error) {
	d := &decoder{find: lookupIn(env), strict: true, source: "the env file"}
	if env != nil && env.Path() != "" {
		d.source = env.Path()
	}
	c, shared := s.decode(d)
	return c, shared, d.err()
}

func (s Spec) decode(d *decoder) (Check, common) {
	k, ok := kinds[s.kind]
	if !ok {
		d.fail("", s.common.at, "unknown check %q: %s", s.kind, Suggest(s.kind, Names()))
		return nil, common{}
	}
	shared := common{Severity: severityError, Timeout: k.timeout}
	d.fields("", s.common, reflect.ValueOf(&shared).Elem())
	if shared.Timeout == 0 {
		d.fail("timeout", s.common.get("timeout").at, "must be longer than nothing")
	}
	c := k.make()
	d.fields("", s.fields, reflect.ValueOf(c).Elem(), commonFields...)
	if v, ok := c.(validator); ok && len(d.errs) == 0 && !d.open {
		if err := v.validate(); err != nil {
			d.fail("", s.fields.at, "%s", err)
		}
	}
	return c, shared
}

// Title is a short label before any variable is filled in.
func (s Spec) Title() string { return s.title(noVariables) }

// Kind is the name of the check.
func (s Spec) Kind() string { return s.kind }

// TitleIn is Title with the variables of env filled in, the secret ones redacted.
func (s Spec) TitleIn(env *secrets.Env) string { return s.title(lookupIn(env)) }

// userinfo is what may stand before the host in a URL.
var userinfo = regexp.MustCompile(`://[^/?#\s]*@`)

const maxTitle = 100

func (s Spec) title(find lookup) string {
	label := s.common.get("name").show(find)
	if label == "" {
		words := []string{s.kind}
		for _, field := range kinds[s.kind].subject {
			words = append(words, s.fields.get(field).show(find))
		}
		label = strings.Join(words, " ")
	}
	return excerpt(userinfo.ReplaceAllString(label, "://"), maxTitle)
}

// Key identifies what s tests: it is the same in two releases that test the
// same thing, whatever the label, severity and patience.
func (s Spec) Key() string {
	// Maps are written with sorted keys, and strings and slices never fail.
	canonical, _ := json.Marshal(s.fields.data())
	sum := sha256.Sum256(canonical)
	return s.kind + "-" + hex.EncodeToString(sum[:8])
}

// MarshalYAML returns s as pipeline.yaml has it, every scalar as a string.
func (s Spec) MarshalYAML() (any, error) {
	out := map[string]any{"check": s.kind}
	for _, n := range []node{s.common, s.fields} {
		for _, e := range n.table {
			out[e.key] = e.value.data()
		}
	}
	return out, nil
}

// MarshalJSON returns what MarshalYAML does.
func (s Spec) MarshalJSON() ([]byte, error) {
	out, err := s.MarshalYAML()
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", s.kind, err)
	}
	return json.Marshal(out)
}
