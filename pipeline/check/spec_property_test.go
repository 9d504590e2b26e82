package check

import (
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

// anySpec makes documents that are nearly right: known and unknown fields
// with values of every shape.
func anySpec() *rapid.Generator[map[string]any] {
	scalar := rapid.OneOf(
		rapid.SampledFrom([]any{"http://h", "https://${HOST}/", "${A:-200}", "2xx", "h:80", "$$", "${", "1m", "true", "~", "", 200, true, nil, 1.5}),
		rapid.Map(rapid.String(), func(s string) any { return s }),
	)
	list := rapid.Map(rapid.SliceOfN(scalar, 0, 3), func(l []any) any { return l })
	table := rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"contains", "matches", "username", "password", "X"}), rapid.OneOf(scalar, list), 0, 3),
		func(m map[string]any) any { return m })
	fields := []string{"name", "severity", "timeout", "within", "url", "method", "status", "body", "headers", "expect_headers", "basic",
		"resolve", "address", "tls", "service", "command", "exit", "output", "required", "equals", "one_of", "patterns", "min_free", "settle", "unknown"}
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := rapid.MapOfN(rapid.SampledFrom(fields), rapid.OneOf(scalar, list, table), 0, 4).Draw(t, "fields")
		m["check"] = rapid.OneOf(rapid.SampledFrom(append(Names(), "other")), rapid.String()).Draw(t, "check")
		return m
	})
}

func TestAnySpecIsRefusedOrSurvivesBeingWrittenAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source, err := yaml.Marshal(anySpec().Draw(t, "spec"))
		if err != nil {
			t.Skip("the generator made what the YAML library cannot write")
		}
		survives(t, source)
	})
}

func FuzzSpec(f *testing.F) {
	f.Add([]byte(`{check: http, url: "https://registry.${HOST}/v2/", status: [200, 401], within: 2m}`))
	f.Add([]byte("check: exec\nservice: web\ncommand: [a, |\n b]"))
	f.Add([]byte("{check: &a tcp, address: !!str 'h:1', <<: {tls: true}}"))
	f.Add([]byte("{check: env, equals: {A: 007, B: 1_0, C: .inf, D: 2026-01-01}}"))
	f.Fuzz(func(t *testing.T, source []byte) { survives(t, source) })
}

type tester interface {
	Fatalf(format string, args ...any)
	Helper()
}

func survives(t tester, source []byte) {
	t.Helper()
	var s Spec
	if err := yaml.UnmarshalWithOptions(source, &s, yaml.Strict()); err != nil || s.kind == "" {
		return
	}
	_, _ = s.Build(environment(public("HOST", "h")))
	if s.Title() == "" && s.common.get("name").kind == nothing {
		t.Fatalf("%q has no title", source)
	}
	again, err := yaml.Marshal(s)
	if err != nil {
		t.Fatalf("%q cannot be written: %v", source, err)
	}
	var same Spec
	if err := yaml.UnmarshalWithOptions(again, &same, yaml.Strict()); err != nil {
		t.Fatalf("%q, written as %q, is refused: %v", source, again, err)
	}
	if same.Key() != s.Key() {
		t.Fatalf("%q, written as %q, has another key", source, again)
	}
}
