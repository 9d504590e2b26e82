package notify

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"deployer/state"
	"deployer/state/outbox"
)

func store(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func happens(t *testing.T, s *state.Store, run *state.Run, at time.Time) {
	t.Helper()
	err := s.Update(func(tx *state.Tx) error { return errors.Join(tx.PutRun(run), tx.AddNotice(run, at)) })
	if err != nil {
		t.Fatal(err)
	}
}

func failedRun(id string) *state.Run {
	return &state.Run{
		ID: id, Stack: "shop", Kind: state.KindDeploy, Status: state.RunRolledBack, Commit: "1a2b3c4d5e", RolledBackTo: "9f8e7d6c5b",
		Subject: "new prices", Author: "Ada", Error: "verify: http: answered 502", Hint: "read the log of the service",
		Stages: []state.StageResult{}, CreatedAt: time.Now(),
	}
}

// A mailbox is a real HTTP server that shoutrrr's generic service posts to.
type mailbox struct {
	mu     sync.Mutex
	posts  []string
	status atomic.Int64
	url    string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{}
	m.status.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if status := int(m.status.Load()); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.posts = append(m.posts, string(body))
	}))
	t.Cleanup(server.Close)
	m.url = "generic+" + server.URL + "/hook?@x=1&token=canary-in-the-url"
	return m
}

func (m *mailbox) has(t *testing.T, n int) []string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		m.mu.Lock()
		posts := append([]string(nil), m.posts...)
		m.mu.Unlock()
		if len(posts) >= n {
			return posts
		}
	}
	t.Fatalf("fewer than %d messages arrived: %q", n, m.posts)
	return nil
}

func (m *mailbox) sink() Sink {
	return Sink{Name: "notify[0] (generic)", URL: func() (string, error) { return m.url, nil }}
}

func serve(t *testing.T, o Options) *Notifier {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	o.Mask = func(s string) string { return s }
	n := New(o)
	done := make(chan struct{})
	go func() { defer close(done); n.Serve(t.Context()) }()
	t.Cleanup(func() { <-done })
	return n
}

func TestAMessageArrivesOnceThroughTheRealService(t *testing.T) {
	s, box := store(t), newMailbox(t)
	n := serve(t, Options{Store: s, Send: Send, URL: "https://deploy.example.com/", Sinks: func() []Sink { return []Sink{box.sink()} }})
	known(t, s, box.url)
	happens(t, s, failedRun("run-1"), time.Now())
	n.RunChanged(nil)
	post := box.has(t, 1)[0]
	for _, part := range []string{
		"shop: deploy of 1a2b3c4 failed; 9f8e7d6 runs again and was verified", "new prices (Ada)", "answered 502",
		"What to do: read the log of the service", "https://deploy.example.com/runs/run-1",
	} {
		if !strings.Contains(post, part) {
			t.Errorf("%q does not contain %q", post, part)
		}
	}
	n.RunChanged(nil)
	happens(t, s, failedRun("run-2"), time.Now())
	n.RunChanged(nil)
	if posts := box.has(t, 2); len(posts) != 2 || !strings.Contains(posts[1], "run-2") {
		t.Errorf("got %q", posts)
	}
}

// known waits until the notifier has seen a sink: news before that are not its.
func known(t *testing.T, s *state.Store, urls ...string) {
	t.Helper()
	marker := uint64(1 << 40)
	for _, url := range urls {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			var told uint64
			// A sink that is not known has the present number: make that differ.
			_ = s.View(func(tx *state.Tx) error { told = tx.Told(keyOf(url)); return nil })
			if told < marker && isKept(t, s, url) {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the notifier does not know its sink")
			}
		}
	}
}

// isKept reports whether the database knows the sink, by adding news that a
// known sink was not told and an unknown one would not be.
func isKept(t *testing.T, s *state.Store, url string) (kept bool) {
	t.Helper()
	undo := errors.New("undo")
	err := s.Update(func(tx *state.Tx) error {
		before := tx.Told(keyOf(url))
		if err := tx.AddNotice(&state.Run{ID: "probe"}, time.Now()); err != nil {
			return err
		}
		kept = tx.Told(keyOf(url)) == before
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	return kept
}

func TestWhatCouldNotBeSentIsSentLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store(t)
		var down atomic.Bool
		down.Store(true)
		var mu sync.Mutex
		var got []string
		var tries int
		arrived := func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(got)
		}
		n := serve(t, Options{
			Store: s,
			Send: func(_, title, _ string) error {
				mu.Lock()
				defer mu.Unlock()
				tries++
				if down.Load() {
					return errors.New("503")
				}
				got = append(got, title)
				return nil
			},
			Sinks: func() []Sink {
				return []Sink{{Name: "a", URL: func() (string, error) { return "generic://x", nil }}}
			},
		})
		synctest.Wait()
		for i := range 3 {
			happens(t, s, failedRun(fmt.Sprint("run-", i)), time.Now())
			n.RunChanged(nil)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		mu.Lock()
		if tries < 8 || tries > 20 {
			t.Errorf("%d tries in an hour", tries)
		}
		mu.Unlock()
		down.Store(false)
		time.Sleep(outbox.MaxPause)
		if got := arrived(); len(got) != 3 {
			t.Errorf("%d messages arrived of 3: %q", len(got), got)
		}
		down.Store(true)
		happens(t, s, failedRun("run-old"), time.Now())
		n.RunChanged(nil)
		time.Sleep(staleAfter + time.Hour)
		down.Store(false)
		time.Sleep(time.Hour)
		if got := arrived(); len(got) != 3 {
			t.Errorf("yesterday's news were sent: %q", got)
		}
	})
}

func TestOneSinkDoesNotHoldUpAnother(t *testing.T) {
	s, box := store(t), newMailbox(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stuck := "generic+http://" + silent.Addr().String() + "/"
	n := serve(t, Options{Store: s, Send: Send, Sinks: func() []Sink {
		return []Sink{{Name: "stuck", URL: func() (string, error) { return stuck, nil }}, box.sink()}
	}})
	known(t, s, stuck, box.url)
	started := time.Now()
	happens(t, s, failedRun("run-1"), time.Now())
	n.RunChanged(nil)
	box.has(t, 1)
	if took := time.Since(started); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestNoTokenOfAnAddressIsLogged(t *testing.T) {
	s := store(t)
	var log lockedBuffer
	n := serve(t, Options{
		Store: s, Log: slog.New(slog.NewTextHandler(&log, nil)), Send: Send,
		Sinks: func() []Sink {
			return []Sink{{Name: "notify[0]", URL: func() (string, error) {
				return "generic+http://127.0.0.1:1/canary-path?token=canary-query&@h=canary-header", nil
			}}}
		},
	})
	known(t, s, "generic+http://127.0.0.1:1/canary-path?token=canary-query&@h=canary-header")
	happens(t, s, failedRun("run-1"), time.Now())
	n.RunChanged(nil)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "send a message"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("that it could not be sent is not logged")
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Error(log.String())
	}
	if err := Check("telegarm://canary-token@telegram"); err == nil || strings.Contains(err.Error(), "canary") || !strings.HasPrefix(err.Error(), "unknown service") {
		t.Errorf("a service that does not exist: %v", err)
	}
}

type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
