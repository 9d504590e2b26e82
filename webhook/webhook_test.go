package webhook

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNamesAreSortedAndEachIsFound(t *testing.T) {
	names := Names()
	if want := []string{"azure-devops", "bitbucket", "bitbucket-server", "forgejo", "generic", "gitea", "github", "gitlab", "gogs"}; !slices.Equal(names, want) {
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

// schemes says how the providers that sign a body carry the signature.
var schemes = map[string]struct{ header, prefix string }{
	"bitbucket":        {"X-Hub-Signature", "sha256="},
	"bitbucket-server": {"X-Hub-Signature", "sha256="},
	"forgejo":          {"X-Forgejo-Signature", ""},
	"generic":          {"X-Signature-256", "sha256="},
	"gitea":            {"X-Gitea-Signature", ""},
	"github":           {"X-Hub-Signature-256", "sha256="},
	"gogs":             {"X-Gogs-Signature", ""},
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
	for name, scheme := range schemes {
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

// The vectors that forges, and the scheme that one of them uses, publish for
// testing an implementation.
func TestVerifyAgreesWithPublishedVectors(t *testing.T) {
	standard := request(`{"test": 2432232314}`, "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
		"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	standard.ReceivedAt = time.Unix(1614265330, 0)
	for _, tt := range []struct {
		provider, secret string
		r                Request
	}{
		{"github", "It's a Secret to Everybody", request("Hello, World!", "X-Hub-Signature-256",
			"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")},
		{"bitbucket", "It's a Secret to Everybody", request("Hello World!", "X-Hub-Signature",
			"sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")},
		{"gitlab", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", standard},
	} {
		if err := provider(t, tt.provider).Verify(tt.r, [][]byte{[]byte(tt.secret)}); err != nil {
			t.Errorf("%s: %v", tt.provider, err)
		}
	}
}
