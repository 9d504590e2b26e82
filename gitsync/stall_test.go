package gitsync_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// A slowLine passes a server's answers on until an answer has had so many
// bytes; then it is silent, or lets a kilobyte through now and then.
type slowLine struct {
	addr    string
	after   atomic.Int64  // 0: it is a good line
	pause   atomic.Int64  // nanoseconds before each kilobyte; 0: none ever comes
	reached chan struct{} // gets one when an answer has come that far
	closed  chan struct{}
}

func newSlowLine(t *testing.T, server string) *slowLine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &slowLine{addr: l.Addr().String(), reached: make(chan struct{}, 1), closed: make(chan struct{})}
	t.Cleanup(func() { close(s.closed) })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			t.Cleanup(func() { client.Close(); upstream.Close() })
			go func() { _, _ = io.Copy(upstream, client); upstream.Close() }()
			go func() { s.pass(client, upstream); client.Close() }()
		}
	}()
	return s
}

func (s *slowLine) pass(client io.Writer, upstream io.Reader) {
	var passed int64
	for buf := make([]byte, 1024); ; {
		n, err := upstream.Read(buf)
		if err != nil {
			return
		}
		if after := s.after.Load(); after > 0 && passed > after {
			err = s.slow(client, buf[:n])
		} else {
			_, err = client.Write(buf[:n])
		}
		if err != nil {
			return
		}
		passed += int64(n)
	}
}

// slow passes a part on after the pause; never where there is none.
func (s *slowLine) slow(client io.Writer, part []byte) error {
	select {
	case s.reached <- struct{}{}:
	default:
	}
	pause := time.Duration(s.pause.Load())
	if pause == 0 {
		<-s.closed
		return net.ErrClosed
	}
	time.Sleep(pause)
	_, err := client.Write(part)
	return err
}

// slowRemotes are a repository with a pack of a megabyte, each behind a slow line.
func slowRemotes(t *testing.T) map[string]func(*testing.T) (gitsync.Remote, *slowLine) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1"), "noise": gittest.Text(noise(1<<20, 1))})
	web, shell := gittest.Serve(t, repo), serveSSH(t)
	return map[string]func(*testing.T) (gitsync.Remote, *slowLine){
		"http": func(t *testing.T) (gitsync.Remote, *slowLine) {
			u, err := url.Parse(web.URL)
			if err != nil {
				t.Fatal(err)
			}
			line := newSlowLine(t, u.Host)
			return gitsync.Remote{URL: strings.Replace(web.URL, u.Host, line.addr, 1)}, line
		},
		"ssh": func(t *testing.T) (gitsync.Remote, *slowLine) {
			line := newSlowLine(t, shell.addr)
			remote := shell.remote(repo)
			remote.URL = strings.Replace(remote.URL, shell.addr, line.addr, 1)
			remote.KnownHostsFile = knownHosts(t, line.addr, shell.hostKey.PublicKey())
			return remote, line
		},
	}
}

// mustBeClean fails where a fetch that was broken off has left something, and
// where the next one does not work.
func mustBeClean(t *testing.T, remote gitsync.Remote, dir string, line *slowLine) {
	t.Helper()
	if left, _ := filepath.Glob(dir + "*"); len(left) > 0 {
		t.Errorf("left behind %q", left)
	}
	line.after.Store(0)
	m := gitsync.Open(dir, remote)
	defer m.Close()
	wantFile(t, mustFetch(t, m, "main"), "a", "1")
}

func TestServerThatStopsInThePack(t *testing.T) {
	for name, make := range slowRemotes(t) {
		for _, after := range []int64{100, 300 << 10} { // in the beginning, in the pack
			t.Run(name, func(t *testing.T) {
				remote, line := make(t)
				line.after.Store(after)
				m, dir := open(t, remote, gitsync.WithStall(200*time.Millisecond))
				if _, err := m.Fetch(context.Background(), "main"); !gitsync.Retryable(err) || !strings.Contains(err.Error(), "stopped answering for 200ms") {
					t.Errorf("got %v", err)
				}
				mustBeClean(t, remote, dir, line)
			})
		}
	}
}

func TestServerThatTricklesIsLeftWhenTheContextEnds(t *testing.T) {
	for name, make := range slowRemotes(t) {
		for _, pause := range []time.Duration{0, 5 * time.Millisecond} {
			t.Run(name, func(t *testing.T) {
				remote, line := make(t)
				line.after.Store(300 << 10)
				line.pause.Store(int64(pause))
				m, dir := open(t, remote)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				fetched := goFetch(ctx, m)
				<-line.reached
				cancel()
				select {
				case err := <-fetched:
					if !errors.Is(err, context.Canceled) || gitsync.Retryable(err) {
						t.Errorf("got %v, want the context's end", err)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("the fetch goes on")
				}
				line.pause.Store(0)
				mustBeClean(t, remote, dir, line)
			})
		}
	}
}

// A line that is slow, and not silent, is given the time that it takes.
func TestServerThatTricklesIsNotSilent(t *testing.T) {
	for name, make := range slowRemotes(t) {
		t.Run(name, func(t *testing.T) {
			remote, line := make(t)
			line.after.Store(600 << 10)
			line.pause.Store(int64(3 * time.Millisecond))
			const silence = time.Second
			m, _ := open(t, remote, gitsync.WithStall(silence))
			began := time.Now()
			wantFile(t, mustFetch(t, m, "main"), "a", "1")
			if took := time.Since(began); took < silence {
				t.Errorf("the fetch took %v: the line was not slow", took)
			}
		})
	}
}

func goFetch(ctx context.Context, m *gitsync.Mirror) <-chan error {
	fetched := make(chan error, 1)
	go func() {
		_, err := m.Fetch(ctx, "main")
		fetched <- err
	}()
	return fetched
}
