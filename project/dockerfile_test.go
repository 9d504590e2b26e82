package project

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestImagesThatADockerfileBeginsWith(t *testing.T) {
	eight := "8"
	for _, tt := range []struct {
		text, target string
		want         []Base
	}{
		{"FROM scratch\nCOPY a /a\n", "y", nil},
		{"FROM a AS x\nFROM b AS y\nCOPY --from=x / /\nCOPY --from=0 / /\nFROM c", "y", []Base{{Ref: "a"}, {Ref: "b"}}},
		{"FROM a AS x\nFROM b AS y\nFROM c", "1", []Base{{Ref: "a"}, {Ref: "b"}}},
		{"FROM a\nFROM b", "", []Base{{Ref: "a"}, {Ref: "b"}}},
		{"ARG V=7\nFROM a:$V AS y", "y", []Base{{Ref: "a:8"}}},
		{"ARG R=r:5000/a\nARG W=${R}:2\nFROM ${W} AS y", "y", []Base{{Ref: "r:5000/a:2"}}},
		{"FROM --platform=linux/arm64 a AS y\nCOPY --from=r/tools:1 / /", "y", []Base{{"a", "linux/arm64"}, {Ref: "r/tools:1"}}},
		{"FROM $UNKNOWN", "y", nil},
		{"FROM U\nRUN <<E\nFROM elsewhere\nE\n", "", nil}, // two stages for an Engine without heredocs
		{"RUN before from", "y", nil},
	} {
		b := &Build{script: parseDockerfile("Dockerfile", []byte(tt.text), tt.target)}
		b.Config.Args = types.MappingWithEquals{"V": &eight}
		got, ok := b.Bases()
		if !slices.Equal(got, tt.want) || ok != !strings.ContainsAny(tt.text[:6], "U$") {
			t.Errorf("%q: got %v, %v, want %v", tt.text, got, ok, tt.want)
		}
	}
}
