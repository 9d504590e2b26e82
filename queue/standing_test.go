package queue

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"deployer/state"
)

// What preflight looks at beside its checks ends with it, also where a check
// has failed and nobody needs the answer any more.
func TestPreflightThatFailsLeavesNoLookBehind(t *testing.T) {
	b := newBench(t).serve()
	var hangs atomic.Bool
	reached, gaveUp := make(chan struct{}), make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			close(reached)
			<-r.Context().Done()
			close(gaveUp)
		}
	}))
	t.Cleanup(site.Close)
	verify := fmt.Sprintf("verify: [{check: http, url: %q, timeout: 5m}]\n", site.URL)
	b.deployed("one", b.app("shop", "app:1", verify))

	hangs.Store(true)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-reached // the live release is being looked at
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(gate.Close)
	b.ends(b.push("two", b.app("shop", "app:2", verify+fmt.Sprintf("preflight: [{check: http, url: %q}]\n", gate.URL))), state.RunFailed)
	b.await(gaveUp)
}
