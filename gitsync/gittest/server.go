package gittest

import (
	"bytes"
	"crypto/subtle"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// A Server serves one repository over smart HTTP by `git http-backend`, on
// 127.0.0.1 and a free port. Its methods can be called while it serves.
type Server struct {
	URL string // the repository's address

	http     *httptest.Server
	backend  http.Handler
	requests atomic.Int64

	mu             sync.Mutex
	user, password string
	before         func(http.ResponseWriter, *http.Request) bool
}

// Serve starts an HTTP server for the repository; it stops with the test.
func Serve(tb testing.TB, repo *Repo) *Server {
	tb.Helper()
	s := newServer(repo)
	s.http = httptest.NewServer(s)
	return s.started(tb, repo)
}

// ServeTLS starts an HTTPS server whose certificate no system trusts; see CA.
func ServeTLS(tb testing.TB, repo *Repo) *Server {
	tb.Helper()
	s := newServer(repo)
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = discard // a refused handshake is what tests are about
	s.http.StartTLS()
	return s.started(tb, repo)
}

func newServer(repo *Repo) *Server {
	return &Server{backend: &cgi.Handler{
		Path:   repo.binary,
		Args:   []string{"http-backend"},
		Dir:    repo.Dir,
		Env:    append(Env(), "GIT_PROJECT_ROOT="+filepath.Dir(repo.Dir), "GIT_HTTP_EXPORT_ALL=1"),
		Logger: discard,
		Stderr: io.Discard,
	}}
}

func (s *Server) started(tb testing.TB, repo *Repo) *Server {
	tb.Cleanup(s.Close)
	s.URL = s.http.URL + "/" + filepath.Base(repo.Dir)
	return s
}

// RequireAuth asks for basic authentication from now on.
func (s *Server) RequireAuth(user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user, s.password = user, password
}

// Before sets what sees each request first; where it returns true, it has answered.
func (s *Server) Before(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Requests counts the requests so far.
func (s *Server) Requests() int64 { return s.requests.Load() }

// CA writes the certificate of a TLS server to a PEM file and returns its path.
func (s *Server) CA(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Close stops the server; what comes then finds its port closed.
func (s *Server) Close() { s.http.Close() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	s.mu.Lock()
	user, password, before := s.user, s.password, s.before
	s.mu.Unlock()

	if before != nil && before(w, r) {
		return
	}
	if password != "" && !authorized(r, user, password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if r.ContentLength < 0 { // CGI needs a length, git sends big requests without one
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	}
	s.backend.ServeHTTP(w, r)
}

func authorized(r *http.Request, user, password string) bool {
	u, p, ok := r.BasicAuth()
	return ok && subtle.ConstantTimeCompare([]byte(u+"\x00"+p), []byte(user+"\x00"+password)) == 1
}

var discard = log.New(io.Discard, "", 0)
