package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// An env file means what it means to Compose, whatever editor wrote it.
func TestEnvFileIsReadAsComposeReadsIt(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	const text = "\uFEFFFIRST=after a byte order mark\r\n" +
		"# a comment\r\n\r\n" +
		"export EXPORTED=one\r\n" +
		"SPACED =  two words  \r\n" +
		"COMMENTED=value # not of it\r\n" +
		"HASHED=a#b\r\n" +
		"SINGLE='Mo$t #1 \"quoted\"'\r\n" +
		`DOUBLE="line one\nline two \$5"` + "\r\n" +
		"REFERS=${EXPORTED}-${MISSING:-none}\r\n" +
		"EQUALS=a=b==\r\n" +
		"EMPTY=\r\n"
	want := map[string]string{
		"FIRST": "after a byte order mark", "EXPORTED": "one", "SPACED": "two words", "COMMENTED": "value", "HASHED": "a#b",
		"SINGLE": `Mo$t #1 "quoted"`, "DOUBLE": "line one\nline two $5", "REFERS": "one-none", "EQUALS": "a=b==", "EMPTY": "",
	}
	var environment strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want)) {
		fmt.Fprintf(&environment, "      %[1]s: \"${%[1]s}\"\n", name)
	}
	commit := gittest.Files{
		"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %[1]s
    environment:
%[2]s  direct:
    image: %[1]s
    env_file: .env.production
`, image, environment.String())),
		".env.production": gittest.Text(text),
	}
	_, run := p.Push("plain", commit)
	producttest.MustEnd(t, run, state.RunSucceeded)
	check := func(service string) {
		t.Helper()
		got := p.Environment(service)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %q, want %q", service, name, got[name], value)
			}
		}
	}
	check("web")
	check("direct")

	// Encrypted it is the same file.
	_, run = p.Push("encrypted", gittest.Files{".env.production": p.Sealed(strings.ReplaceAll(strings.TrimPrefix(text, "\uFEFF"), "\r", "") + "NEW=x\n")})
	producttest.MustEnd(t, run, state.RunSucceeded)
	check("web")
	check("direct")
	if got := p.Environment("direct")["NEW"]; got != "x" {
		t.Errorf("NEW is %q", got)
	}
}

// An empty list of checks does not turn off the one that looks at containers.
func TestContainersAreVerifiedWithoutAnyCheck(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	commit := and(oneService(image, "one"), gittest.Files{"pipeline.yaml": gittest.Text("preflight: []\nverify: []\n")})
	_, run := p.Push("no checks", commit)
	producttest.MustEnd(t, run, state.RunSucceeded)
	if text := evidence(run, state.StageVerify); !strings.Contains(text, "containers passed") {
		t.Errorf("verify has looked at no container:\n%s", text)
	}
	for _, name := range []string{"env passed", "placeholders passed", "engine passed"} {
		if text := evidence(run, state.StagePreflight); !strings.Contains(text, name) {
			t.Errorf("preflight lacks %q:\n%s", name, text)
		}
	}
}
