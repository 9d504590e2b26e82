package e2e

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"
)

// An engineProxy stands between the server and the Engine, counts the requests
// that change something, can kill the server at one of them, and can be away.
type engineProxy struct {
	t       *testing.T
	address string
	handler http.Handler
	server  *http.Server

	mu      sync.Mutex
	seen    []string // the changes since it was armed
	at      int      // which of them kills; 0: none
	after   bool     // once it was answered
	shoot   func()
	hangs   string        // what the Engine does not answer, as in seen; empty: it answers all
	answers chan struct{} // closed when it does again
}

// killing is the key of what a request's answer sets off.
type killing struct{}

// newEngineProxy listens in a folder whose path is short enough for a socket.
func newEngineProxy(t *testing.T, dir string, engine *client.Client) *engineProxy {
	t.Helper()
	x := &engineProxy{t: t, address: "unix://" + filepath.Join(dir, "engine.sock")}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", strings.TrimPrefix(engine.DaemonHost(), "unix://"))
	}}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.ModifyResponse = func(r *http.Response) error { // the Engine has answered, the server does not know yet
		if kill, ok := r.Request.Context().Value(killing{}).(func()); ok {
			kill()
		}
		return nil
	}
	x.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kill, after, wait := x.next(r)
		if wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
				return
			}
		}
		if kill != nil && !after {
			kill()
			return
		}
		if kill != nil {
			r = r.WithContext(context.WithValue(r.Context(), killing{}, kill))
		}
		proxy.ServeHTTP(w, r)
	})
	x.comeBack()
	t.Cleanup(x.goAway)
	return x
}

// goAway is an Engine that is stopped: its streams end, and it refuses what is asked.
func (x *engineProxy) goAway() { _ = x.server.Close() }

func (x *engineProxy) comeBack() {
	x.t.Helper()
	ln, err := net.Listen("unix", strings.TrimPrefix(x.address, "unix://"))
	if err != nil {
		x.t.Fatal(err)
	}
	server := &http.Server{Handler: x.handler}
	x.server = server
	go func() { _ = server.Serve(ln) }()
}

// standBeforeTheEngine has the next start talk to the Engine through a proxy.
func (p *product) standBeforeTheEngine() {
	p.t.Helper()
	p.proxy = newEngineProxy(p.t, p.Memory, p.Engine)
	p.Docker = p.proxy.address
	p.Configure("generic", "")
}

var (
	version  = regexp.MustCompile(`^/v[0-9.]+`)
	identity = regexp.MustCompile(`(sha256:)?[0-9a-f]{64}`)
)

// next counts a request and says whether it is the one to kill at, or has to wait.
func (x *engineProxy) next(r *http.Request) (kill func(), after bool, wait <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, false, nil
	}
	what := r.Method + " " + identity.ReplaceAllString(version.ReplaceAllString(r.URL.Path, ""), "ID")
	x.seen = append(x.seen, what)
	if what == x.hangs {
		wait = x.answers
	}
	if len(x.seen) == x.at {
		kill = x.shoot
	}
	return kill, x.after, wait
}

// hang makes the Engine not answer what is asked, until it is told to.
func (x *engineProxy) hang(what string) (answer func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	again := make(chan struct{})
	x.hangs, x.answers = what, again
	return func() { close(again) }
}

func (x *engineProxy) killAt(n int, after bool, shoot func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen, x.at, x.after, x.shoot = nil, n, after, shoot
}

// disarm says which request killed.
func (x *engineProxy) disarm() (doing string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at > 0 && len(x.seen) >= x.at {
		doing = x.seen[x.at-1]
	}
	x.at = 0
	return doing
}

// changes are the requests that changed something since killAt.
func (x *engineProxy) changes() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string(nil), x.seen...)
}
