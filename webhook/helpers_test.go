package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"testing"
	"time"

	"deployer/state"
)

const (
	zeros   = "0000000000000000000000000000000000000000"
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	commitC = "cccccccccccccccccccccccccccccccccccccccc"
)

var (
	receivedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rightKey   = []byte("correct horse battery staple")
	otherKey   = []byte("another secret")
)

func sign(secret []byte, text string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// request makes a JSON delivery with the given headers, as name and value in turn.
func request(body string, headers ...string) Request {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return Request{Header: h, Body: []byte(body), ReceivedAt: receivedAt}
}

// form makes the same delivery the way a form carries it.
func form(r Request) Request {
	r.Header = r.Header.Clone()
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = []byte(url.Values{"payload": {string(r.Body)}}.Encode())
	return r
}

func provider(t testing.TB, name string) Provider {
	t.Helper()
	p, ok := Lookup(name)
	if !ok {
		t.Fatalf("no provider %q", name)
	}
	return p
}

func parseOne(t *testing.T, p Provider, r Request) state.Event {
	t.Helper()
	events, err := p.Parse(r)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if len(events) != 1 {
		t.Fatalf("got %d events, want 1", len(events))
	}
	return events[0]
}
