package webhook

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestNamesAreSortedAndEachIsFound(t *testing.T) {
	names := Names()
	if want := []string{"generic", "gitea", "github"}; !slices.Equal(names, want) {
		t.Fatalf("Names() = %v, want %v", names, want)
	}
	for _, name := range names {
		if _, ok := Lookup(name); !ok {
			t.Errorf("Lookup(%q) finds nothing", name)
		}
	}
	if _, ok := Lookup("svn"); ok {
		t.Error("Lookup finds a provider that does not exist")
	}
}

// schemes says how each provider carries the signature of a body.
var schemes = map[string]struct{ header, prefix string }{
	"generic": {"X-Signature-256", "sha256="},
	"gitea":   {"X-Gitea-Signature", ""},
	"github":  {"X-Hub-Signature-256", "sha256="},
}

func TestVerify(t *testing.T) {
	const body = `{"ref":"refs/heads/main"}`
	right := sign(rightKey, body)
	tests := map[string]struct {
		signature string
		unsigned  bool
		secrets   [][]byte
		want      error
	}{
		"the only secret":               {signature: right, secrets: [][]byte{rightKey}},
		"old secret while rotating":     {signature: right, secrets: [][]byte{rightKey, otherKey}},
		"new secret while rotating":     {signature: right, secrets: [][]byte{otherKey, rightKey}},
		"another secret":                {signature: right, secrets: [][]byte{otherKey}, want: ErrBadSignature},
		"no secret":                     {signature: right, want: ErrBadSignature},
		"an empty secret never matches": {signature: sign(nil, body), secrets: [][]byte{{}, nil}, want: ErrBadSignature},
		"empty beside a right one":      {signature: right, secrets: [][]byte{{}, rightKey}},
		"another body":                  {signature: sign(rightKey, body+" "), secrets: [][]byte{rightKey}, want: ErrBadSignature},
		"cut short":                     {signature: right[:10], secrets: [][]byte{rightKey}, want: ErrBadSignature},
		"one digit":                     {signature: "a", secrets: [][]byte{rightKey}, want: ErrBadSignature},
		"not hexadecimal":               {signature: strings.Repeat("z", 64), secrets: [][]byte{rightKey}, want: ErrBadSignature},
		"too long":                      {signature: right + "00", secrets: [][]byte{rightKey}, want: ErrBadSignature},
		"no header":                     {unsigned: true, secrets: [][]byte{rightKey}, want: ErrUnsigned},
	}
	for _, name := range Names() {
		scheme := schemes[name]
		for what, tt := range tests {
			t.Run(name+"/"+what, func(t *testing.T) {
				r := request(body)
				if !tt.unsigned {
					r.Header.Set(scheme.header, scheme.prefix+tt.signature)
				}
				err := provider(t, name).Verify(r, tt.secrets)
				if !errors.Is(err, tt.want) {
					t.Errorf("Verify = %v, want %v", err, tt.want)
				}
			})
		}
	}
}

func TestVerifyTakesAnEmptyHeaderForUnsigned(t *testing.T) {
	r := request(`{}`, "X-Gitea-Signature", "")
	if err := provider(t, "gitea").Verify(r, [][]byte{rightKey}); !errors.Is(err, ErrUnsigned) {
		t.Errorf("Verify = %v, want ErrUnsigned", err)
	}
}

func TestVerifyWantsTheSchemeInFrontOfTheSignature(t *testing.T) {
	r := request(`{}`, "X-Hub-Signature-256", sign(rightKey, `{}`))
	if err := provider(t, "github").Verify(r, [][]byte{rightKey}); !errors.Is(err, ErrBadSignature) {
		t.Errorf("Verify = %v, want ErrBadSignature", err)
	}
}

// The vector that GitHub publishes for testing an implementation.
func TestVerifyAgreesWithGitHubsPublishedVector(t *testing.T) {
	r := request("Hello, World!", "X-Hub-Signature-256",
		"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	if err := provider(t, "github").Verify(r, [][]byte{[]byte("It's a Secret to Everybody")}); err != nil {
		t.Error(err)
	}
}
