package webhook

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"deployer/state"
)

const smallPush = `{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + commitB + `"}`

func TestGitHubSignsAFormAsSent(t *testing.T) {
	r := form(request(smallPush, "X-GitHub-Event", "push"))
	r.Header.Set("X-Hub-Signature-256", "sha256="+sign(rightKey, string(r.Body)))
	p := provider(t, "github")
	if err := p.Verify(r, [][]byte{rightKey}); err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if e := parseOne(t, p, r); e.Kind != state.EventPush || e.After != commitB {
		t.Errorf("got %+v", e)
	}
	r.Header.Set("X-Hub-Signature-256", "sha256="+sign(rightKey, smallPush))
	if err := p.Verify(r, [][]byte{rightKey}); !errors.Is(err, ErrBadSignature) {
		t.Errorf("signature of the decoded text: %v, want ErrBadSignature", err)
	}
}

func TestGiteaSignsTheJSONInsideAForm(t *testing.T) {
	r := form(request(smallPush, "X-Gitea-Event", "push"))
	r.Header.Set("X-Gitea-Signature", sign(rightKey, smallPush))
	p := provider(t, "gitea")
	if err := p.Verify(r, [][]byte{rightKey}); err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if e := parseOne(t, p, r); e.Kind != state.EventPush || e.After != commitB {
		t.Errorf("got %+v", e)
	}
	r.Header.Set("X-Gitea-Signature", sign(rightKey, string(r.Body)))
	if err := p.Verify(r, [][]byte{rightKey}); !errors.Is(err, ErrBadSignature) {
		t.Errorf("signature of the form: %v, want ErrBadSignature", err)
	}
}

func TestParseReadsJSONAndFormsOnly(t *testing.T) {
	tests := map[string]struct {
		contentType, body string
		want              error
	}{
		"json":                   {"application/json", smallPush, nil},
		"json with a charset":    {"Application/JSON; charset=utf-8", smallPush, nil},
		"text":                   {"text/plain", smallPush, ErrMediaType},
		"none":                   {"", smallPush, ErrMediaType},
		"not a media type":       {";;;", smallPush, ErrMediaType},
		"form without a payload": {"application/x-www-form-urlencoded", "a=b&c", ErrMalformed},
		"form badly escaped":     {"application/x-www-form-urlencoded", "payload=%zz", ErrMalformed},
		"form of no json":        {"application/x-www-form-urlencoded", "payload=hello", ErrMalformed},
		"empty":                  {"application/json", "", ErrMalformed},
		"cut":                    {"application/json", smallPush[:40], ErrMalformed},
		"two documents":          {"application/json", smallPush + smallPush, ErrMalformed},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			r := request(tt.body, "X-GitHub-Event", "push")
			r.Header.Set("Content-Type", tt.contentType)
			if _, err := provider(t, "github").Parse(r); !errors.Is(err, tt.want) {
				t.Errorf("Parse = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestWrongJSONIsToldWithoutGo(t *testing.T) {
	for body, want := range map[string]string{
		`[]`:        "it is a JSON array, not an object",
		`{"ref":1}`: "ref cannot be a JSON number",
	} {
		r := Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
		var v struct {
			Ref string `json:"ref"`
		}
		if err := decode(r, &v); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}
