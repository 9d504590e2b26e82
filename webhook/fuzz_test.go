package webhook

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"deployer/state"
)

const formType = "application/x-www-form-urlencoded"

func FuzzGitHubVerify(f *testing.F)  { fuzzVerify(f, "github") }
func FuzzGiteaVerify(f *testing.F)   { fuzzVerify(f, "gitea") }
func FuzzGenericVerify(f *testing.F) { fuzzVerify(f, "generic") }

// Those that share their scheme with one above have its code too.
func FuzzGitLabVerify(f *testing.F) {
	f.Add("secret", "v1,AAAA", "id", "1614265330", []byte(smallPush))
	f.Add("", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,x v1,", "msg", "99999999999999999999", []byte("{}"))
	f.Fuzz(func(t *testing.T, token, signature, id, at string, body []byte) {
		r := Request{Header: http.Header{}, Body: body, ReceivedAt: receivedAt}
		for name, value := range map[string]string{"X-Gitlab-Token": token, "webhook-signature": signature, "webhook-id": id, "webhook-timestamp": at} {
			r.Header.Set(name, value)
		}
		for _, secrets := range [][][]byte{nil, {{}}, {rightKey}, {[]byte("whsec_")}, {[]byte("whsec_AAAA"), rightKey}, {[]byte("whsec_%")}} {
			if err := (gitlab{}).Verify(r, secrets); !errors.Is(err, ErrUnsigned) && !errors.Is(err, ErrBadSignature) {
				t.Fatalf("Verify = %v", err)
			}
		}
	})
}

func FuzzAzureVerify(f *testing.F) {
	f.Add("Basic ZGVwbG95ZXI6eA==")
	f.Add("Basic Og==")
	f.Add("basic %%%")
	f.Fuzz(func(t *testing.T, header string) {
		r := request("{}", "Authorization", header)
		for _, secrets := range [][][]byte{nil, {{}}, {rightKey}, {{}, rightKey}} {
			if err := (azure{}).Verify(r, secrets); !errors.Is(err, ErrUnsigned) && !errors.Is(err, ErrBadSignature) {
				t.Fatalf("Verify = %v", err)
			}
		}
	})
}

func FuzzGitHubParse(f *testing.F)  { fuzzParse(f, "github", "X-GitHub-Event", "X-GitHub-Delivery") }
func FuzzGiteaParse(f *testing.F)   { fuzzParse(f, "gitea", "X-Gitea-Event", "X-Gitea-Delivery") }
func FuzzGenericParse(f *testing.F) { fuzzParse(f, "generic", "X-Event", "X-Delivery") }
func FuzzGitLabParse(f *testing.F)  { fuzzParse(f, "gitlab", "X-Gitlab-Event", "Idempotency-Key") }
func FuzzBitbucketParse(f *testing.F) {
	f.Add("application/json", "repo:push", "1", []byte(`{"push":{"changes":[{"old":null,"new":{"type":"tag","name":"v1","target":{"hash":"1d1f6d3216f1"}}},{"old":null,"new":null}]}}`))
	fuzzParse(f, "bitbucket", "X-Event-Key", "X-Request-UUID")
}
func FuzzBitbucketServerParse(f *testing.F) {
	f.Add("application/json", "repo:refs_changed", "1", []byte(`{"changes":[{"ref":{"id":"refs/heads/m"},"fromHash":"`+zeros+`","toHash":"`+commitA+`","type":"ADD"}],"toCommit":null}`))
	fuzzParse(f, "bitbucket-server", "X-Event-Key", "X-Request-Id")
}
func FuzzAzureParse(f *testing.F) {
	f.Add("application/json", "", "", []byte(`{"id":"1","eventType":"git.push","resource":{"refUpdates":[{"name":"refs/heads/m","oldObjectId":"`+zeros+`","newObjectId":"`+commitA+`"}]}}`))
	f.Add("application/json", "", "", []byte(`{"resource":{}}`))
	fuzzParse(f, "azure-devops", "X-Event", "X-Delivery")
}

// fuzzVerify: whoever does not know the secret is not let in.
func fuzzVerify(f *testing.F, name string) {
	p, scheme := provider(f, name), schemes[name]
	f.Add("application/json", "", []byte(smallPush))
	f.Add("application/json", scheme.prefix+sign(otherKey, smallPush), []byte(smallPush))
	f.Add(formType, scheme.prefix+"00", []byte("payload=%7B%7D&payload=x"))
	f.Add("text/plain; charset", "sha1=00", []byte{0xff})
	f.Fuzz(func(t *testing.T, contentType, signature string, body []byte) {
		r := Request{Header: http.Header{}, Body: body, ReceivedAt: receivedAt}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set(scheme.header, signature)
		for _, secrets := range [][][]byte{nil, {{}}, {rightKey}, {{}, rightKey}} {
			err := p.Verify(r, secrets)
			known := errors.Is(err, ErrUnsigned) || errors.Is(err, ErrBadSignature) || errors.Is(err, ErrMediaType) || errors.Is(err, ErrMalformed)
			if !known {
				t.Fatalf("Verify = %v", err)
			}
		}
	})
}

// fuzzParse: events are well-formed and bounded, errors are of a known class.
func fuzzParse(f *testing.F, name, eventHeader, deliveryHeader string) {
	p := provider(f, name)
	f.Add("application/json", "push", "1", []byte(smallPush))
	f.Add("application/json", "push", "", []byte(`{"ref":"refs/heads/m","before":"`+commitA+`","after":"`+commitB+`","commits":[{"id":"`+commitB+`","added":["x"]}],"head_commit":{"message":"\u0000\n"}}`))
	f.Add(formType, "push", "1", []byte("payload=%7B%22ref%22%3A%22refs%2Fheads%2Fm%22%7D"))
	f.Add("application/json", "pull_request", "1", []byte(`{"pull_request":{"title":null,"user":null}}`))
	f.Add("application/json", "ping", "1", []byte(`{}`))
	addRealPayloads(f)
	f.Fuzz(func(t *testing.T, contentType, event, delivery string, body []byte) {
		r := Request{Header: http.Header{}, Body: body, ReceivedAt: receivedAt}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set(eventHeader, event)
		r.Header.Set(deliveryHeader, delivery)
		events, err := p.Parse(r)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrMediaType) {
				t.Fatalf("Parse = %v", err)
			}
			return
		}
		if len(events) == 0 {
			t.Fatal("no event")
		}
		for _, e := range events {
			checkEvent(t, e)
		}
	})
}

func addRealPayloads(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(corpus, "*", "*.json"))
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, event := range []string{"push", "pull_request", "Push Hook", "repo:push", "repo:refs_changed", "pr:opened", "pullrequest:created"} {
			f.Add("application/json", event, "1", body)
		}
	}
}

func checkEvent(t *testing.T, e state.Event) {
	t.Helper()
	for _, s := range []string{e.Subject, e.Actor, e.Author, e.Ignored} {
		if utf8.RuneCountInString(s) > maxSubject || strings.ContainsAny(s, "\n\x00\x1b") {
			t.Fatalf("unbounded text %q", s)
		}
	}
	switch e.Kind {
	case state.EventPush:
		if !strings.HasPrefix(e.Ref, "refs/") || (e.Deleted && e.After != "") || len(e.Paths) > maxPaths {
			t.Fatalf("push %+v", e)
		}
		for _, id := range []string{e.Before, e.After} {
			if len(id) != 0 && len(id) != 40 && len(id) != 64 {
				t.Fatalf("commit id %q", id)
			}
		}
	case state.EventIgnored:
		if e.Ignored == "" {
			t.Fatal("ignored without a reason")
		}
	case state.EventPullRequest:
		if p := e.PullRequest; p == nil || p.Number <= 0 || p.Action == "" || !strings.HasPrefix(p.Base, "refs/") {
			t.Fatalf("pull request %+v", e.PullRequest)
		}
	default:
		t.Fatalf("kind %q", e.Kind)
	}
}
