package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// oneService is a stack of one container, known by its version.
func oneService(image, version string) gittest.Files {
	return gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    environment: {VERSION: %q}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
`, image, version))}
}

// send posts a delivery that is right but for what edit does to it.
func (p *product) send(body string, edit func(*http.Request)) (status int, answer string) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.URL+"/hooks/config", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Signature-256", p.Sign([]byte(body)))
	req.Header.Set("X-Delivery", state.NewRunID())
	edit(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func with(header, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(header, value) }
}

func asItIs(*http.Request) {}

// What is no push of the branch queues nothing, and says why.
func TestDeliveriesThatQueueNothing(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	commit := p.Repo.Commit("main", "a commit", gittest.Files{"README.md": gittest.Text("hello\n")})
	payload := func(ref, after string) string {
		raw, _ := json.Marshal(map[string]any{"ref": ref, "after": after})
		return string(raw)
	}
	push := payload("refs/heads/main", commit)

	for name, c := range map[string]struct {
		body string
		edit func(*http.Request)
		want int
		says string
	}{
		"unsigned":                {push, func(r *http.Request) { r.Header.Del("X-Signature-256") }, 401, "X-Signature-256"},
		"an empty signature":      {push, with("X-Signature-256", ""), 401, ""},
		"a short signature":       {push, with("X-Signature-256", "sha256=00"), 401, ""},
		"another body's":          {push, with("X-Signature-256", p.Sign([]byte("{}"))), 401, "secret"},
		"plain text":              {push, with("Content-Type", "text/plain"), 415, "application/json"},
		"a form without payload":  {push, with("Content-Type", "application/x-www-form-urlencoded"), 400, "payload"},
		"no content type":         {push, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, ""},
		"no JSON":                 {"push!", asItIs, 400, ""},
		"another kind of JSON":    {`["push"]`, asItIs, 400, ""},
		"no ref":                  {payload("", commit), asItIs, 400, "ref"},
		"no commit":               {payload("refs/heads/main", "HEAD; rm -rf /"), asItIs, 400, "after"},
		"another branch":          {payload("refs/heads/feature", commit), asItIs, 200, "refs/heads/feature"},
		"a tag of that name":      {payload("refs/tags/main", commit), asItIs, 200, "refs/tags/main"},
		"a deleted branch":        {payload("refs/heads/main", strings.Repeat("0", 40)), asItIs, 200, "deleted"},
		"an unknown repository":   {push, func(r *http.Request) { r.URL.Path = "/hooks/other" }, 404, "deployer.yaml"},
		"a path out of the hooks": {push, func(r *http.Request) { r.URL.Path = "/hooks/../hooks/other" }, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := p.send(c.body, c.edit)
			if status != c.want || !strings.Contains(answer, c.says) {
				t.Errorf("answered %d, want %d and %q: %s", status, c.want, c.says, answer)
			}
			if status == http.StatusOK && !strings.Contains(answer, "ignored") {
				t.Errorf("it does not say that it was ignored: %s", answer)
			}
		})
	}
	if runs := p.History(); len(runs) != 0 {
		t.Errorf("they queued %d runs", len(runs))
	}
}

// raw writes bytes as they are to the server and returns the status of its answer.
func (p *product) raw(header string, body io.Reader, halfClose bool) int {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "POST /hooks/config HTTP/1.1\r\nHost: deployer\r\nContent-Type: application/json\r\n%s\r\n\r\n", header)
	go func() {
		_, _ = io.Copy(conn, body) // cut off where the server has had enough
		if halfClose {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		p.t.Fatalf("no answer: %v", err)
	}
	return res.StatusCode
}

// A sender that nobody has vouched for must not be able to fill memory or to
// hold connections.
func TestDeliveriesThatDoNotArriveWhole(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	const mebibyte = 1 << 20
	chunk := fmt.Sprintf("%x\r\n%s\r\n", mebibyte, bytes.Repeat([]byte("x"), mebibyte))

	if got := p.raw("Content-Length: 30000000", strings.NewReader("{"), false); got != http.StatusRequestEntityTooLarge {
		t.Errorf("announced as too large: %d", got)
	}
	if got := p.raw("Transfer-Encoding: chunked", strings.NewReader(strings.Repeat(chunk, 30)), false); got != http.StatusRequestEntityTooLarge {
		t.Errorf("too large without an announcement: %d", got)
	}
	if got := p.raw("Content-Length: 1000", strings.NewReader(`{"ref":`), true); got != http.StatusBadRequest {
		t.Errorf("truncated: %d", got)
	}
	started := time.Now()
	if got := p.raw("Content-Length: 1000", strings.NewReader(`{"ref":`), false); got != http.StatusRequestTimeout {
		t.Errorf("too slow: %d", got)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("a slow sender held its connection for %s", took)
	}
	if status, _ := p.send("{}", asItIs); status != http.StatusBadRequest {
		t.Errorf("after all of that a delivery is answered with %d", status)
	}
}

// A delivery is a hint: neither a repeated one, nor an old one that is sent
// again, nor one that names another server moves the stack anywhere but to the
// branch's tip.
func TestDeliveriesCannotChooseWhatIsDeployed(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	var lured atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { lured.Add(1) }))
	t.Cleanup(evil.Close)

	old := p.Repo.Commit("main", "old", oneService(image, "old"))
	body, _ := json.Marshal(map[string]any{"ref": "refs/heads/main", "after": old, "clone_url": evil.URL,
		"repository": map[string]string{"clone_url": evil.URL, "ssh_url": evil.URL, "url": evil.URL}})
	status, answer := p.send(string(body), with("X-Delivery", "one"))
	var taken struct{ Runs []struct{ ID string } }
	if err := json.Unmarshal([]byte(answer), &taken); err != nil || status != http.StatusAccepted || len(taken.Runs) != 1 {
		t.Fatalf("the push was answered with %d: %s", status, answer)
	}
	producttest.MustEnd(t, p.Wait(taken.Runs[0].ID), state.RunSucceeded)

	if status, answer := p.send(string(body), with("X-Delivery", "one")); status != http.StatusOK || !strings.Contains(answer, "ignored") {
		t.Errorf("the same delivery again was answered with %d: %s", status, answer)
	}

	tip, run := p.Push("new", oneService(image, "new"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	before := p.Containers()

	status, answer = p.send(string(body), with("X-Delivery", "two"))
	if status == http.StatusAccepted {
		if err := json.Unmarshal([]byte(answer), &taken); err != nil {
			t.Fatal(err)
		}
		producttest.MustEnd(t, p.Wait(taken.Runs[0].ID), state.RunUnchanged)
	}
	if s := p.Now(); s.Live.Commit != tip || s.Sync != "in_sync" {
		t.Errorf("the old push took the stack to %s (%s), the tip is %s", s.Live.Commit, s.Sync, tip)
	}
	if after := p.Containers(); after["web"] != before["web"] {
		t.Error("the old push replaced the container")
	}
	if lured.Load() != 0 {
		t.Errorf("a payload sent deployer %d times to another server", lured.Load())
	}
}
