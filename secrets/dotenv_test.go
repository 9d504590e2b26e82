package secrets_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"deployer/secrets"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"pgregory.net/rapid"
)

// readByCompose is the reference. It logs, which is not looked at.
func readByCompose(text string) (map[string]string, error) {
	logrus.SetOutput(io.Discard)
	defer logrus.SetOutput(os.Stderr)
	return dotenv.Parse(strings.NewReader(text))
}

func TestPlainFileReadsAsComposeReadsIt(t *testing.T) {
	type want struct {
		Value   string
		Changed bool
		Line    int
	}
	tests := []struct {
		name, text string
		want       map[string]want
	}{
		{"simple", "A=1\nB=two words\n", map[string]want{"A": {"1", false, 1}, "B": {"two words", false, 2}}},
		{"no line end", "A=1", map[string]want{"A": {"1", false, 1}}},
		{"nothing in it", "\n# only a comment\n\n", map[string]want{}},
		{"an empty value", "A=\nB=1\n", map[string]want{"A": {"", false, 1}, "B": {"1", false, 2}}},
		{"spaces and export", "  export A = 1 \n", map[string]want{"A": {"1", false, 1}}},
		{"comments and blank lines count", "# c\n\nA=1\n  # d\nB=2\n", map[string]want{"A": {"1", false, 3}, "B": {"2", false, 5}}},
		{"CRLF", "A=1\r\n\r\nB=\"2\"\r\n", map[string]want{"A": {"1", false, 1}, "B": {"2", false, 3}}},
		{"byte order mark", "\uFEFFA=1\n", map[string]want{"A": {"1", false, 1}}},
		{"a reference", "A=1\nB=${A}-$A\n", map[string]want{"A": {"1", false, 1}, "B": {"1-1", false, 2}}},
		{"a default", "B=${A:-x}${A-y}\n", map[string]want{"B": {"xy", false, 1}}},
		{"an alternative that does not apply", "B=${A:+x}\n", map[string]want{"B": {"", false, 1}}},
		{"nothing from the process", "B=$HOME\n", map[string]want{"B": {"", true, 1}}},
		{"a password with $ and #", "P=Mo$t #1\n", map[string]want{"P": {"Mo", true, 1}}},
		{"in double quotes $ still counts", `P="Mo$t #1"`, map[string]want{"P": {"Mo #1", true, 1}}},
		{"in single quotes nothing does", `P='Mo$t #1'`, map[string]want{"P": {"Mo$t #1", false, 1}}},
		{"two dollars", "P=a$$b\n", map[string]want{"P": {"a$b", true, 1}}},
		{"an escaped dollar", `P="a\$b"`, map[string]want{"P": {"a$b", false, 1}}},
		{"a comment in a public value", "P=5000 # the port\n", map[string]want{"P": {"5000", false, 1}}},
		{"a public value cut at #1", "P=room #1\n", map[string]want{"P": {"room", true, 1}}},
		{"a comment after quotes", `P="5000" # the port`, map[string]want{"P": {"5000", false, 1}}},
		{"escapes that are meant", `P="a\"b\\c\nd"`, map[string]want{"P": {"a\"b\\c\nd", false, 1}}},
		{"escapes that a password has by chance", `P="a\tb"`, map[string]want{"P": {"a\tb", true, 1}}},
		{"a backslash before an escape", `P="C:\\temp"`, map[string]want{"P": {`C:\temp`, false, 1}}},
		{"several lines in quotes", "P=\"a\nb=c\n\"\nQ=1\n", map[string]want{"P": {"a\nb=c\n", false, 1}, "Q": {"1", false, 4}}},
		{"quotes inside", `P=a"b'c`, map[string]want{"P": {`a"b'c`, false, 1}}},
		{"a name with dots", "a.b-c[0]=1\n", map[string]want{"a.b-c[0]": {"1", false, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := open(t, secrets.Keyring{}, []byte(tt.text))
			got := map[string]want{}
			for _, v := range env.Vars() {
				got[v.Name] = want{v.Value.Reveal(), v.Changed, v.Line}
				if v.Secret {
					t.Errorf("%s is secret in a plain file", v.Name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if env.Encrypted() {
				t.Error("a plain file is called encrypted")
			}
			byCompose, err := readByCompose(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(byCompose, env.Mapping()); diff != "" {
				t.Errorf("Compose reads otherwise: %s", diff)
			}
		})
	}
}

func TestEveryAcceptedTextReadsAsComposeReadsIt(t *testing.T) {
	alphabet := []string{"a", "B", "_", "1", " ", "\t", "=", "#", " #", "$", "$$", "${A}", "$A", "${B:-x}", "${Z-y}", "${A:+z}",
		"\\", `\n`, `\t`, "'", `"`, "{", "}", ":", "é", "\n", "\r", "\r\n", "export "}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for _, name := range []string{"A", "B", "C"} {
			parts := rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 8).Draw(t, name)
			text.WriteString(name + "=" + strings.Join(parts, "") + "\n")
		}
		env, err := secrets.Keyring{}.Open(t.Context(), ".env", []byte(text.String()))
		if err != nil {
			return
		}
		accepted++
		want, err := readByCompose(text.String())
		if err != nil {
			t.Fatalf("Compose refuses %q: %v", text.String(), err)
		}
		if diff := cmp.Diff(want, env.Mapping()); diff != "" {
			t.Fatalf("%q: %s", text.String(), diff)
		}
	})
	if accepted == 0 {
		t.Error("no text was accepted")
	}
}

func TestUndefinedVariableInAPasswordIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	logrus.SetOutput(&log)
	defer logrus.SetOutput(os.Stderr)
	env := open(t, secrets.Keyring{}, []byte("P=pass$canary\nQ=\"${canary}\"\nR=${canary:-x}\n"))
	wantValue(t, env, "P", "pass")
	wantValue(t, env, "R", "x")
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
}

// grown is a text of n variables that are as large as A.
func grown(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "A%d=$A\n", i)
	}
	return text.String()
}

func TestFaultyTextIsRefusedWithoutItsValues(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"no equals sign", "A=1\ncanary\n", []string{".env:2:", `no "="`}},
		{"YAML", "A: canary\n", []string{".env:1:", "NAME=value"}},
		{"merge conflict", "A=1\n<<<<<<< canary\nA=canary\n", []string{".env:2:", "merge conflict"}},
		{"twice", "A=canary\nB=1\nA=canary2\n", []string{".env:3:", "A is given twice, first in line 1", "keep one"}},
		{"no name", "=canary\n", []string{".env:1:", "no name"}},
		{"a digit first", "1A=canary\n", []string{".env:1:", "no name"}},
		{"a space in the name", "canary b=1\n", []string{".env:1:", "no name"}},
		{"a line of a pasted key", "K=canary\nCANARY+/x==\n", []string{".env:2:", "no name"}},
		{"an open quote", "A=\"canary\nB=1\n", []string{".env:1:", "A begins with a quote"}},
		{"text after a quote", "A=\"x\"canary\n", []string{".env:1:", "closing quote of A"}},
		{"an open brace", "A=canary${\n", []string{".env:1:", "A: ", "single quotes"}},
		{"a dollar at the end", "A=\"canary ${CANARY\"\n", []string{".env:1:", "A: "}},
		{"a required variable", "A=${CANARY:?canary is missing}\n", []string{".env:1:", "requires"}},
		{"NUL", "A=1\nB=canary\x00\n", []string{".env:2:", "NUL"}},
		{"UTF-16", "A\x00=\x00c\x00", []string{".env:1:", "NUL"}},
		{"Latin-1", "A=1\nB=canary\xe9\n", []string{".env:2:", "UTF-8"}},
		{"a long value", "A=canary" + strings.Repeat("x", 128<<10), []string{".env:1:", "A: its value is longer than the 128 KiB"}},
		{"a value that grows", "A=canary" + strings.Repeat("x", 60<<10) + "\nB=$A$A$A\nC=$B\n", []string{".env:2:", "B: its value is longer", "mount"}},
		{"values that grow together", "A=canary" + strings.Repeat("x", 100<<10) + "\n" + grown(50), []string{"4 MiB"}},
		{"nested too deep", "A=" + strings.Repeat("${A:-", 20000) + "canary", []string{".env:1:", "more than 256"}},
		{"too large", "A=canary" + strings.Repeat("x", 1<<20), []string{".env:", "1 MiB"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := secrets.Keyring{}.Open(t.Context(), ".env", []byte(tt.text))
			wantError(t, err, tt.want...)
		})
	}
}
