package project

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestImagesThatADockerfileBeginsWith(t *testing.T) {
	eight := "8"
	for text, want := range map[string][]Base{
		"FROM scratch\nCOPY a /a\n": nil,
		"FROM a AS x\nFROM b AS y\nCOPY --from=x / /\nCOPY --from=0 / /\nFROM c": {{Ref: "a"}, {Ref: "b"}},
		"ARG V=7\nFROM a:$V AS y":                                       {{Ref: "a:8"}},
		"ARG R=r:5000/a\nARG W=${R}:2\nFROM ${W} AS y":                  {{Ref: "r:5000/a:2"}},
		"FROM --platform=linux/arm64 a AS y\nCOPY --from=r/tools:1 / /": {{"a", "linux/arm64"}, {Ref: "r/tools:1"}},
		"FROM $UNKNOWN":   nil,
		"RUN before from": nil,
	} {
		got, ok := basesOf([]byte(text), types.MappingWithEquals{"V": &eight}, "y")
		if !slices.Equal(got, want) || ok != !strings.ContainsAny(text[:6], "U$") {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
}
