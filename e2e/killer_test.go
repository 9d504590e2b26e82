package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A killer ends the server by SIGKILL at a moment of its choice.
type killer interface {
	fmt.Stringer
	// environment is what the process must be started with.
	environment(p *product) []string
	// arm is called when the process is ready, just before the push.
	arm(p *product)
	// disarm is called when the process is dead, or is to live on; it says
	// what the process was doing when it died.
	disarm(p *product) (doing string)
}

// atPoint kills at the n-th point of the journal since the process was
// started: before or after a transaction is on disk.
type atPoint struct{ n int }

func (k atPoint) String() string { return fmt.Sprintf("journal point %d", k.n) }

func (k atPoint) environment(p *product) []string {
	_ = os.Remove(p.Path("points"))
	return []string{fmt.Sprintf("DEPLOYER_CRASH_AT=%d", k.n), "DEPLOYER_CRASH_COUNT=" + p.Path("points")}
}

func (k atPoint) arm(*product) {}

func (k atPoint) disarm(p *product) string {
	points := p.points()
	if len(points) == 0 {
		return ""
	}
	return points[len(points)-1]
}

// points are the journal points that the process has passed.
func (p *product) points() []string {
	raw, _ := os.ReadFile(p.Path("points"))
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}

// atRequest kills at the n-th request to the Engine that changes something:
// before it is sent, or once the Engine has answered it.
type atRequest struct {
	n     int
	after bool
}

func (k atRequest) String() string {
	return fmt.Sprintf("%s request %d to the Engine", map[bool]string{false: "before", true: "after"}[k.after], k.n)
}

func (k atRequest) environment(*product) []string { return nil }
func (k atRequest) arm(p *product)                { p.proxy.killAt(k.n, k.after, p.Shooter()) }
func (k atRequest) disarm(p *product) string      { return p.proxy.disarm() }

// atFetch kills when the Git server gets the n-th request.
type atFetch struct{ n int }

func (k atFetch) String() string                { return fmt.Sprintf("request %d to the Git server", k.n) }
func (k atFetch) environment(*product) []string { return nil }

func (k atFetch) arm(p *product) {
	shoot, left := p.Shooter(), k.n
	var mu sync.Mutex
	p.Git.Before(func(http.ResponseWriter, *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if left--; left == 0 {
			shoot()
			return true
		}
		return false
	})
}

func (k atFetch) disarm(p *product) string {
	p.Git.Before(nil)
	return "a request to the Git server"
}

// atMoment kills so long after the push was sent.
type atMoment struct {
	after time.Duration
	timer *time.Timer
}

func (k *atMoment) String() string                { return fmt.Sprintf("%s after the push", k.after) }
func (k *atMoment) environment(*product) []string { return nil }
func (k *atMoment) arm(p *product)                { k.timer = time.AfterFunc(k.after, p.Shooter()) }

func (k *atMoment) disarm(*product) string {
	if k.timer != nil {
		k.timer.Stop()
	}
	return "a random moment"
}

// never lets the process live.
type never struct{}

func (never) String() string                { return "never" }
func (never) environment(*product) []string { return nil }
func (never) arm(*product)                  {}
func (never) disarm(*product) string        { return "" }

// seedOf makes a failure repeatable: DEPLOYER_SEED is its seed.
func seedOf(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("DEPLOYER_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatalf("DEPLOYER_SEED=%s: %v", text, err)
		}
	}
	t.Logf("DEPLOYER_SEED=%d", seed)
	return seed
}
