package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"deployer/gitsync/gittest"
)

// A gate is a web page outside of the stack. A check of it passes or fails as
// the test says, so that a run stays in a stage for as long as a test needs.
type gate struct {
	url string

	mu     sync.Mutex
	status int
	body   string
}

// newGate makes a gate that is closed: it answers 503.
func newGate(t *testing.T) *gate {
	g := &gate{status: http.StatusServiceUnavailable}
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	g.url = srv.URL + "/"
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.WriteHeader(g.status)
	fmt.Fprint(w, g.body)
}

func (g *gate) open() { g.answer(http.StatusOK, "open") }

func (g *gate) answer(status int, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status, g.body = status, body
}

// check is a pipeline.yaml that verifies that the gate is open, for as long
// as within says.
func (g *gate) check(within string) gittest.File {
	return gittest.Text(fmt.Sprintf("verify: [{check: http, url: %q, within: %s}]\n", g.url, within))
}
