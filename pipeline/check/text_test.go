package check

import (
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	find := lookupIn(environment(public("A", "a"), public("EMPTY", ""), secret("S", "hush-hush"), secret("NO", "")))
	for _, tt := range []struct {
		in, plain, shown string
		missing          []string
	}{
		{in: "plain", plain: "plain", shown: "plain"},
		{in: "x${A}y${A}", plain: "xaya", shown: "xaya"},
		{in: "${S}", plain: "hush-hush", shown: "[redacted]"},
		{in: "${NO}${EMPTY}", plain: "", shown: ""},
		{in: "${EMPTY:-d}${A:-d}${B:-d}${B:-}", plain: "dad", shown: "dad"},
		{in: "$${A}", plain: "${A}", shown: "${A}"},
		{in: "$$$${A}", plain: "$${A}", shown: "$${A}"},
		{in: "^a$|$A $1$", plain: "^a$|$A $1$", shown: "^a$|$A $1$"},
		{in: "${B} ${C}", plain: "${B} ${C}", shown: "${B} ${C}", missing: []string{"B", "C"}},
	} {
		got, err := expand(tt.in, find)
		if err != nil || got.plain != tt.plain || got.shown != tt.shown || !slices.Equal(got.missing, tt.missing) {
			t.Errorf("%q: got %+v, %v", tt.in, got, err)
		}
	}
	for _, bad := range []string{"${", "${}", "${1A}", "${A-b}", "${A:?b}", "${A:-${B}}", "${A B}"} {
		if got, err := expand(bad, find); err == nil {
			t.Errorf("%q became %q", bad, got.plain)
		}
	}
}

func TestExcerptIsShortAndPrintable(t *testing.T) {
	for in, want := range map[string]string{
		" a\n\tb ":                  "a b",
		"a\x00\x1b[31mb":            "a [31mb",
		"\xff\xfeé":                 "��é",
		strings.Repeat("é", 11):     strings.Repeat("é", 10) + "…",
		strings.Repeat("é", 10):     strings.Repeat("é", 10),
		strings.Repeat("e ", 10):    "e e e e e …",
		"":                          "",
		"\u202eevil":                "evil",
		strings.Repeat(" ", 1000):   "",
		"<html>" + "<b>hi</b></ht>": "<html><b>h…",
	} {
		if got := excerpt(in, 10); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
