package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deployer/state"
)

const signingKey = "whsec_c2lnbmluZyBrZXkgb2YgYSB0ZXN0"

// signStandard signs as GitLab does with a signing token.
func signStandard(r Request, key string, at time.Time) {
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	mac := hmac.New(sha256.New, raw)
	fmt.Fprintf(mac, "msg-1.%d.%s", at.Unix(), r.Body)
	r.Header.Set("webhook-id", "msg-1")
	r.Header.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
	r.Header.Set("webhook-signature", "v1a,other v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func TestGitLabVerify(t *testing.T) {
	token := func(value string) func(Request) { return func(r Request) { r.Header.Set("X-Gitlab-Token", value) } }
	signed := func(key string, at time.Time) func(Request) { return func(r Request) { signStandard(r, key, at) } }
	both := func(r Request) { token(string(rightKey))(r); signed(signingKey, receivedAt)(r) }
	tests := map[string]struct {
		make    func(Request)
		secrets [][]byte
		want    error
	}{
		"token":                           {token(string(rightKey)), [][]byte{otherKey, rightKey}, nil},
		"another token":                   {token("x"), [][]byte{rightKey}, ErrBadSignature},
		"no token":                        {func(Request) {}, [][]byte{rightKey}, ErrUnsigned},
		"an empty secret never matches":   {token(""), [][]byte{{}}, ErrUnsigned},
		"no secret":                       {token("x"), nil, ErrBadSignature},
		"signed":                          {signed(signingKey, receivedAt), [][]byte{[]byte(signingKey)}, nil},
		"signed a moment ago":             {signed(signingKey, receivedAt.Add(-4*time.Minute)), [][]byte{[]byte(signingKey)}, nil},
		"signed long ago":                 {signed(signingKey, receivedAt.Add(-6*time.Minute)), [][]byte{[]byte(signingKey)}, ErrBadSignature},
		"signed in the future":            {signed(signingKey, receivedAt.Add(6*time.Minute)), [][]byte{[]byte(signingKey)}, ErrBadSignature},
		"signed with another key":         {signed("whsec_YW5vdGhlciBrZXk=", receivedAt), [][]byte{[]byte(signingKey)}, ErrBadSignature},
		"a signing token is required":     {token(string(rightKey)), [][]byte{[]byte(signingKey)}, ErrUnsigned},
		"the signing token as a token":    {token(signingKey), [][]byte{[]byte(signingKey)}, ErrUnsigned},
		"both, of which one is known":     {both, [][]byte{rightKey}, nil},
		"both known":                      {both, [][]byte{[]byte(signingKey), rightKey}, nil},
		"token, from token to signature":  {token(string(rightKey)), [][]byte{[]byte(signingKey), rightKey}, nil},
		"signed, from token to signature": {signed(signingKey, receivedAt), [][]byte{[]byte(signingKey), rightKey}, nil},
		"a signing token that is no key":  {signed("whsec_", receivedAt), [][]byte{[]byte("whsec_")}, ErrBadSignature},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			r := request(`{"object_kind":"push"}`)
			tt.make(r)
			if err := (gitlab{}).Verify(r, tt.secrets); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
			if tt.want == nil && r.Header.Get("X-Gitlab-Token") == "" {
				r.Body = []byte(`{"object_kind":"push" }`)
				if err := (gitlab{}).Verify(r, tt.secrets); !errors.Is(err, ErrBadSignature) {
					t.Errorf("another body: %v", err)
				}
			}
		})
	}
}

func TestAzureVerify(t *testing.T) {
	header := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	tests := map[string]struct {
		header string
		secret string
		want   error
	}{
		"password":              {header("any:" + string(rightKey)), string(rightKey), nil},
		"user and password":     {header("ada:pass"), "ada:pass", nil},
		"another user":          {header("bob:pass"), "ada:pass", ErrBadSignature},
		"another password":      {header("ada:x"), string(rightKey), ErrBadSignature},
		"the user as password":  {header(string(rightKey) + ":x"), string(rightKey), ErrBadSignature},
		"an empty secret":       {header(":"), "", ErrBadSignature},
		"no header":             {"", string(rightKey), ErrUnsigned},
		"a bearer":              {"Bearer " + string(rightKey), string(rightKey), ErrBadSignature},
		"not base64":            {"Basic %%", string(rightKey), ErrBadSignature},
		"a password with colon": {header("ada:a:b"), "a:b", nil},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			r := request(`{}`)
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			if err := (azure{}).Verify(r, [][]byte{otherKey, []byte(tt.secret)}); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTheUnsignedPingIsOnlyAPing(t *testing.T) {
	p := provider(t, "bitbucket-server")
	if err := p.Verify(request(`{"test":true}`, "X-Event-Key", "diagnostics:ping"), [][]byte{rightKey}); !errors.Is(err, ErrUnsignedPing) {
		t.Errorf("Verify = %v", err)
	}
	if err := p.Verify(request(`{}`, "X-Event-Key", "repo:refs_changed"), [][]byte{rightKey}); !errors.Is(err, ErrUnsigned) {
		t.Errorf("an unsigned push: %v", err)
	}
	if err := p.Verify(request(`{}`, "X-Event-Key", "diagnostics:ping", "X-Hub-Signature", "sha256=00"), [][]byte{rightKey}); !errors.Is(err, ErrBadSignature) {
		t.Errorf("a badly signed ping: %v", err)
	}
}

func TestGitLabPushes(t *testing.T) {
	push := func(body string) state.Event {
		t.Helper()
		return parseOne(t, gitlab{}, request(body, "X-Gitlab-Event", "Push Hook", "Idempotency-Key", "k-1", "webhook-id", "w-1"))
	}
	got := push(`{"object_kind":"push","ref":"refs/heads/main","before":"` + commitA + `","after":"` + commitC + `","checkout_sha":"` + commitC + `",
		"user_username":"mira","user_name":"Mira L","total_commits_count":1,"repository":{"url":"git@evil.example.com:x"},
		"commits":[{"id":"` + commitC + `","message":"raise the limit\n\nbecause","title":"x","author":{"name":"Mira L","email":"m@example.com"},"added":["n"],"modified":["a"],"removed":[]}]}`)
	want := state.Event{
		Provider: "gitlab", Delivery: "k-1", Kind: state.EventPush, Ref: "refs/heads/main", Before: commitA, After: commitC,
		Actor: "mira", Subject: "raise the limit", Author: "Mira L", Paths: []string{"a", "n"}, ReceivedAt: receivedAt,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e := push(`{"object_kind":"tag_push","ref":"refs/tags/v1","before":"` + zeros + `","after":"` + commitA + `","checkout_sha":"` + commitB + `"}`); e.After != commitB || e.Ref != "refs/tags/v1" {
		t.Errorf("an annotated tag: %+v", e)
	}
	if e := push(`{"event_name":"push","ref":"refs/heads/b","before":"` + commitA + `","after":"` + zeros + `","checkout_sha":null}`); !e.Deleted || e.After != "" {
		t.Errorf("a branch that is gone, by a system hook: %+v", e)
	}
}

func TestGitLabMergeRequestsThatChangeNothingAreLeftOut(t *testing.T) {
	for attributes, want := range map[string]state.EventKind{
		`"action":"open"`: state.EventPullRequest,
		`"action":"update","oldrev":"` + commitA + `"`: state.EventPullRequest,
		`"action":"update"`:                            state.EventIgnored,
		`"action":"merge"`:                             state.EventPullRequest,
	} {
		body := `{"object_kind":"merge_request","user":{"username":"ada"},"object_attributes":{"iid":3,"target_branch":"main","title":"t",` + attributes + `}}`
		if e := parseOne(t, gitlab{}, request(body, "X-Gitlab-Event", "Merge Request Hook")); e.Kind != want || (want == state.EventPullRequest && (e.Actor != "ada" || e.Subject != "t")) {
			t.Errorf("%s: got %+v", attributes, e)
		}
	}
	body := `{"object_kind":"merge_request","object_attributes":{"iid":3,"target_branch":"main","action":"update"},"changes":{"target_branch":{"previous":"a","current":"b"}}}`
	if e := parseOne(t, gitlab{}, request(body, "X-Gitlab-Event", "Merge Request Hook")); e.Kind != state.EventPullRequest {
		t.Errorf("another target: %+v", e)
	}
}

// Several refs in one delivery are an event each.
func TestSeveralRefsInOneDelivery(t *testing.T) {
	for name, r := range map[string]Request{
		"bitbucket": request(`{"actor":{"nickname":"ada"},"push":{"changes":[
			{"old":{"type":"branch","name":"main","target":{"hash":"`+commitA+`"}},"new":{"type":"branch","name":"main","target":{"hash":"`+commitB+`","message":"one\n","author":{"raw":"Ada <a@example.com>"}}},"forced":true},
			{"old":{"type":"tag","name":"main","target":{"hash":"`+commitA+`"}},"new":null}]}}`, "X-Event-Key", "repo:push", "X-Request-UUID", "u-1"),
		"bitbucket-server": request(`{"actor":{"name":"ada"},"changes":[
			{"ref":{"id":"refs/heads/main"},"refId":"refs/heads/main","fromHash":"`+commitA+`","toHash":"`+commitB+`","type":"UPDATE"},
			{"refId":"refs/tags/main","fromHash":"`+commitA+`","toHash":"`+zeros+`","type":"DELETE"}],
			"toCommit":{"id":"`+commitB+`","message":"one","author":{"name":"Ada"}}}`, "X-Event-Key", "repo:refs_changed", "X-Request-Id", "u-1"),
		"azure-devops": request(`{"id":"u-1","eventType":"git.push","resource":{"pushedBy":{"uniqueName":"ada"},"commits":[{"commitId":"` + commitB + `","comment":"one","author":{"name":"Ada"}}],
			"refUpdates":[{"name":"refs/heads/main","oldObjectId":"` + commitA + `","newObjectId":"` + commitB + `"},{"name":"refs/tags/main","oldObjectId":"` + commitA + `","newObjectId":"` + zeros + `"}]}}`),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := provider(t, name).Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			base := state.Event{Provider: name, Delivery: "u-1", Kind: state.EventPush, Actor: "ada", Before: commitA, ReceivedAt: receivedAt}
			main, tag := base, base
			main.Ref, main.After, main.Subject, main.Author, main.Forced = "refs/heads/main", commitB, "one", "Ada", name == "bitbucket"
			tag.Ref, tag.Deleted = "refs/tags/main", true
			if diff := cmp.Diff([]state.Event{main, tag}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADeliveryWithoutRefsIsIgnored(t *testing.T) {
	for name, r := range map[string]Request{
		"bitbucket":        request(`{"push":{"changes":[]}}`, "X-Event-Key", "repo:push"),
		"bitbucket-server": request(`{}`, "X-Event-Key", "repo:refs_changed"),
		"azure-devops":     request(`{"id":"1","eventType":"git.push","resource":{"refUpdates":[]}}`),
	} {
		if e := parseOne(t, provider(t, name), r); e.Kind != state.EventIgnored {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// Bitbucket may shorten a commit's id: the branch has still moved.
func TestAShortenedIDIsLeftToTheFetch(t *testing.T) {
	r := request(`{"push":{"changes":[{"old":null,"new":{"type":"branch","name":"main","target":{"hash":"1d1f6d3216f1"}}}]}}`, "X-Event-Key", "repo:push")
	if e := parseOne(t, bitbucket{}, r); e.Kind != state.EventPush || e.Deleted || e.After != "" || e.Ref != "refs/heads/main" {
		t.Errorf("got %+v", e)
	}
}

func TestMalformedDeliveriesOfForges(t *testing.T) {
	for what, tt := range map[string]struct {
		provider string
		r        Request
	}{
		"gitlab without a header":        {"gitlab", request(`{"object_kind":"push"}`)},
		"gitlab without a kind":          {"gitlab", request(`{}`, "X-Gitlab-Event", "Push Hook")},
		"gitlab with a null ref":         {"gitlab", request(`{"object_kind":"push","ref":null}`, "X-Gitlab-Event", "Push Hook")},
		"bitbucket without a header":     {"bitbucket", request(`{}`)},
		"bitbucket with neither":         {"bitbucket", request(`{"push":{"changes":[{"old":null,"new":null}]}}`, "X-Event-Key", "repo:push")},
		"bitbucket with a branch of ..":  {"bitbucket", request(`{"push":{"changes":[{"new":{"type":"branch","name":"../x","target":{"hash":"`+commitA+`"}}}]}}`, "X-Event-Key", "repo:push")},
		"bitbucket without pullrequest":  {"bitbucket", request(`{}`, "X-Event-Key", "pullrequest:created")},
		"server with a short name":       {"bitbucket-server", request(`{"changes":[{"refId":"main"}]}`, "X-Event-Key", "repo:refs_changed")},
		"server without pullRequest":     {"bitbucket-server", request(`{}`, "X-Event-Key", "pr:opened")},
		"azure without an event type":    {"azure-devops", request(`{"resource":{}}`)},
		"azure with an id of blanks":     {"azure-devops", request(`{"id":"a b","eventType":"git.push"}`)},
		"azure with a short object":      {"azure-devops", request(`{"id":"1","eventType":"git.push","resource":{"refUpdates":[{"name":"refs/heads/m","oldObjectId":"1","newObjectId":"2"}]}}`)},
		"azure without a pull request":   {"azure-devops", request(`{"id":"1","eventType":"git.pullrequest.created","resource":{}}`)},
		"forgejo without its own header": {"forgejo", request(smallPush, "X-Gitea-Event", "push")},
		"gogs without its own header":    {"gogs", request(smallPush, "X-GitHub-Event", "push")},
	} {
		t.Run(what, func(t *testing.T) {
			if events, err := provider(t, tt.provider).Parse(tt.r); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %+v, %v, want ErrMalformed", events, err)
			}
		})
	}
}
