package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

type reading struct {
	Check, Status, Message, Hint string
	At                           time.Time
	Measure                      struct{ Value float64 }
}

// readings are what the API says of the live release's checks and containers.
func (p *product) readings() []reading {
	p.t.Helper()
	var stack struct{ Readings []reading }
	p.Call("viewer", http.MethodGet, "/api/v1/stacks/"+p.Stack, nil, &stack)
	return stack.Readings
}

// A service that dies long after its deploy becomes one run and one message;
// so does that it is up again.
func TestMonitorTellsPeople(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	box := newInbox(t)
	p.Stop()
	p.Top = fmt.Sprintf("notify: [%q]\n", box.url)
	p.Configure("generic", "")
	p.Start()
	files := and(oneService(p.Image(), "one"), gittest.Files{"pipeline.yaml": gittest.Text("monitor: {every: 1s, checks: [{check: containers}]}\n")})
	_, run := p.Push("one", files)
	producttest.MustEnd(t, run, state.RunSucceeded)
	box.holds(1, "is live and was verified", "/runs/"+run.ID)

	p.Eventually(time.Minute, "the monitor has looked", func() bool {
		return slices.ContainsFunc(p.readings(), func(r reading) bool { return r.Check == "containers" && r.Status == "passed" })
	})
	id := p.Containers()["web"]
	if err := p.Engine.ContainerKill(t.Context(), id, "KILL"); err != nil {
		t.Fatal(err)
	}
	box.holds(2, "containers: failed, was passed", "What to do: ")
	alarm := p.History()[0]
	if alarm.Kind != state.KindMonitor || alarm.Status != state.RunFailed || alarm.Commit != run.Commit {
		t.Errorf("the newest run is %s %s: %s", alarm.Kind, alarm.Status, alarm.Error)
	}
	if s := p.Now(); s.Health != "degraded" {
		t.Errorf("the stack is %s", s.Health)
	}
	p.Stop()
	p.Start()
	time.Sleep(3 * time.Second) // it looks again, and has nothing new to say
	if err := p.Engine.ContainerStart(t.Context(), id, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	box.holds(3, "containers: passed, was failed")
	if n := len(p.History()); n != 3 {
		t.Errorf("%d runs, want the deploy, the alarm and its end", n)
	}
}

// An inbox is where messages arrive.
type inbox struct {
	t     *testing.T
	url   string
	mu    sync.Mutex
	posts []string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		defer in.mu.Unlock()
		in.posts = append(in.posts, string(body))
	}))
	t.Cleanup(server.Close)
	in.url = "generic+" + server.URL + "/"
	return in
}

// holds waits for the message of a number, which must be the last one and say
// each part.
func (in *inbox) holds(number int, parts ...string) {
	in.t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		in.mu.Lock()
		posts := append([]string(nil), in.posts...)
		in.mu.Unlock()
		if len(posts) < number && time.Now().Before(end) {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if len(posts) != number {
			in.t.Fatalf("%d messages, want %d: %q", len(posts), number, posts)
		}
		for _, part := range parts {
			if !strings.Contains(posts[number-1], part) {
				in.t.Errorf("%q does not say %q", posts[number-1], part)
			}
		}
		return
	}
}
