package gitsync_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

func TestUnreachableCanBeRetried(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := gittest.Serve(t, repo)
	status := 0
	server.Before(func(w http.ResponseWriter, _ *http.Request) bool {
		if status != 0 {
			http.Error(w, "try later", status)
		}
		return status != 0
	})
	m, _ := open(t, gitsync.Remote{URL: server.URL})
	first := mustFetch(t, m, "main")

	for code, want := range map[int]error{
		500: gitsync.ErrUnreachable, 503: gitsync.ErrUnreachable, 429: gitsync.ErrUnreachable,
		404: gitsync.ErrNoRepository, 403: gitsync.ErrAuth,
	} {
		status = code
		_, err := m.Fetch(context.Background(), "main")
		if !errors.Is(err, want) || gitsync.Retryable(err) != (want == gitsync.ErrUnreachable) {
			t.Errorf("status %d: %v, want %v", code, err, want)
		}
		if text := err.Error(); strings.Count(text, want.Error()) != 1 || strings.HasSuffix(text, ":") {
			t.Errorf("status %d: it says %q", code, text)
		}
	}
	server.Close()
	if _, err := m.Fetch(context.Background(), "main"); !errors.Is(err, gitsync.ErrUnreachable) || !gitsync.Retryable(err) {
		t.Errorf("closed: %v, want ErrUnreachable", err)
	}
	wantFile(t, first, "a", "1")
	if _, err := m.FetchCommit(context.Background(), "main", first.Commit); err != nil {
		t.Errorf("a known commit needs no network: %v", err)
	}
}

// silent accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return l.Addr().String()
}

func TestSilentServerDoesNotHangAFetch(t *testing.T) {
	ssh := serveSSH(t)
	addr := silent(t)
	for _, remote := range []gitsync.Remote{
		{URL: "http://" + addr + "/repo.git"},
		{URL: "https://" + addr + "/repo.git"},
		{URL: "ssh://git@" + addr + "/repo.git", SSHKeyFile: ssh.keyFile, KnownHostsFile: ssh.hostFile},
	} {
		m, _ := open(t, remote, gitsync.WithStall(50*time.Millisecond))
		if _, err := m.Fetch(context.Background(), "main"); !gitsync.Retryable(err) || !strings.Contains(err.Error(), "stopped answering for 50ms") {
			t.Errorf("%s stalls: %v", remote.URL, err)
		}
		m, _ = open(t, remote)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if _, err := m.Tip(ctx, "main"); !gitsync.Retryable(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s past the deadline: %v", remote.URL, err)
		}
		cancel()
		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := m.Fetch(ctx, "main"); gitsync.Retryable(err) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s canceled: %v", remote.URL, err)
		}
	}
}

// While one fetch waits for the server, the mirror can be read, and a second
// fetch that waits for the first respects its deadline.
func TestSilentServerDoesNotBlockReaders(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := gittest.Serve(t, repo)
	m, _ := open(t, gitsync.Remote{URL: server.URL})
	s := mustFetch(t, m, "main")

	asked, release := make(chan struct{}), make(chan struct{})
	server.Before(func(http.ResponseWriter, *http.Request) bool { close(asked); <-release; return false })
	fetched := make(chan error)
	go func() {
		_, err := m.Fetch(context.Background(), "main")
		fetched <- err
	}()
	<-asked
	wantFile(t, s, "a", "1")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := m.Fetch(ctx, "main"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second fetch: %v", err)
	}
	server.Before(nil)
	close(release)
	if err := <-fetched; err != nil {
		t.Error(err)
	}
}

func TestPackAboveTheLimit(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text(noise(4<<20, 1))})
	for name, remote := range remotes {
		t.Run(name, func(t *testing.T) {
			m, dir := open(t, remote(t, repo), gitsync.WithMaxPack(1<<20))
			_, err := m.Fetch(context.Background(), "main")
			if !errors.Is(err, gitsync.ErrTooLarge) || gitsync.Retryable(err) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
			if leftovers, _ := filepath.Glob(dir + "*"); len(leftovers) > 0 {
				t.Errorf("left behind: %q", leftovers)
			}
		})
	}
}

// A connection that breaks in the middle of a pack leaves the mirror as it was.
func TestConnectionThatBreaksInThePack(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := gittest.Serve(t, repo)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var breaks atomic.Bool
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: target.Host}) },
		ErrorLog: log.New(io.Discard, "", 0),
		ModifyResponse: func(res *http.Response) error {
			if breaks.Load() && res.Request.Method == http.MethodPost {
				res.Body = io.NopCloser(io.MultiReader(io.LimitReader(res.Body, 200), iotest.ErrReader(errors.New("broken"))))
			}
			return nil
		},
	}
	front := httptest.NewServer(proxy)
	defer front.Close()
	m, dir := open(t, gitsync.Remote{URL: front.URL + target.Path})
	for _, content := range []string{"2", "3"} { // a clone, then a fetch
		id := repo.Commit("main", "change", gittest.Files{"a": gittest.Text(content)})
		breaks.Store(true)
		if _, err := m.Fetch(context.Background(), "main"); !gitsync.Retryable(err) {
			t.Errorf("got %v, want a retryable error", err)
		}
		if leftovers, _ := filepath.Glob(dir + ".*"); len(leftovers) > 0 {
			t.Errorf("left behind: %q", leftovers)
		}
		if leftovers, _ := filepath.Glob(filepath.Join(dir, "objects/pack/incoming-*")); len(leftovers) > 0 {
			t.Errorf("left behind: %q", leftovers)
		}
		breaks.Store(false)
		if s := mustFetch(t, m, "main"); s.Commit != id {
			t.Errorf("got %s, want %s", s.Commit, id)
		}
	}
}
