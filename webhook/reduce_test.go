package webhook

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestOnlyWhatIsReadIsLeft(t *testing.T) {
	read := readBy(new(push))
	for text, want := range map[string]string{
		`{"ref":"r","repository":{"id":1,"owner":{"x":[{}]}},"after":"a"}`:    `{"ref":"r","after":"a"}`,
		"{\"x\" :\n\t{\"a\\\\\":\"}\\\"\"} , \"after\" : \"a\" }\n":           `{"after":"a"}`,
		`{"sender":{"url":"u","login":"ada"},"head_commit":null}`:             `{"sender":{"login":"ada"},"head_commit":null}`,
		`{"commits":[{"id":"1","tree":"t"}, {"url":[]},3,[{"id":{}}]],"x":0}`: `{"commits":[{"id":"1"},{},3,[{"id":{}}]]}`,
		`{"forced":true,"size":12,"created":false}`:                           `{"forced":true,"size":12}`,
		`{}`: `{}`, `[ {"a":1} ]`: `[{}]`,
		// What is broken is left to the parser.
		`{"ref":"r"`: `{"ref":"r"`, `{"x":{"id":1}`: `{"x":{"id":1}`, `{"x":"1`: `{"x":"1`, `{"x"`: `{"x"`, `{"x":}`: `{"x":}`,
		`{"x" 1}`: `{"x" 1}`, `{} {}`: `{} {}`, `"`: `"`, ``: ``, `{"x":1 2}`: `{"x":1 2}`, `{"commits":[1 2]}`: `{"commits":[1 2]}`,
	} {
		if got := string(read.reduce([]byte(text))); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestDepthOfADeliveryIsNoDepthOfCalls(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(1 << 20)) // beyond it the process ends
	for _, open := range []string{"[", `{"commits":[`, `{"commits":`, `{"x":`} {
		text := []byte(strings.Repeat(open, 1<<20))
		if got := readBy(new(push)).reduce(text); !bytes.Equal(got, text) {
			t.Errorf("a million of %s was taken for whole", open)
		}
	}
}

func TestReducedTextIsReadAsTheWhole(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune(`{}[]":\\,é `)))
	var junk *rapid.Generator[any]
	junk = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return junk }), 0, 3).Draw(t, "list")
		case 1:
			return rapid.MapOfN(text, rapid.Deferred(func() *rapid.Generator[any] { return junk }), 0, 3).Draw(t, "object")
		case 2:
			return rapid.Float64().Draw(t, "number")
		case 3:
			return nil
		}
		return text.Draw(t, "text")
	})
	rapid.Check(t, func(t *rapid.T) {
		delivery := map[string]any{
			"ref": text.Draw(t, "ref"), "repository": junk.Draw(t, "repository"), "forced": rapid.Bool().Draw(t, "forced"),
			"sender":             map[string]any{"login": text.Draw(t, "login"), "url": junk.Draw(t, "url")},
			"commits":            []any{map[string]any{"tree": junk.Draw(t, "tree"), "added": []string{text.Draw(t, "file")}}, nil},
			text.Draw(t, "name"): junk.Draw(t, "other"),
		}
		whole, err := json.MarshalIndent(delivery, "", rapid.SampledFrom([]string{"", "\t"}).Draw(t, "indent"))
		if err != nil {
			t.Fatal(err)
		}
		var want, got push
		if err := json.Unmarshal(whole, &want); err != nil {
			t.Skip(err)
		}
		reduced := readBy(&got).reduce(whole)
		if err := json.Unmarshal(reduced, &got); err != nil {
			t.Fatalf("%s became %s: %v", whole, reduced, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s became %s:\n%s", whole, reduced, d)
		}
	})
}

func TestRealPushesAreReadTheSameWhenReduced(t *testing.T) {
	for _, s := range samples(t) {
		body, err := os.ReadFile(filepath.Join(corpus, s.file))
		if err != nil {
			t.Fatal(err)
		}
		var whole, less push
		if err := json.Unmarshal(body, &whole); err != nil {
			t.Fatal(err)
		}
		reduced := readBy(&less).reduce(body)
		if err := json.Unmarshal(reduced, &less); err != nil {
			t.Fatalf("%s: %v", s.file, err)
		}
		if d := cmp.Diff(whole, less); d != "" {
			t.Errorf("%s (-whole +reduced):\n%s", s.file, d)
		}
		if 2*len(reduced) > len(body) {
			t.Errorf("%s: %d of %d bytes are left", s.file, len(reduced), len(body))
		}
	}
}
