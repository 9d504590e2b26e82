package bench

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A scene is a stack of two services that deployer has deployed, and the same
// stack once more that a person has.
type scene struct {
	b         *testing.B
	product   *producttest.Product
	hand      *byHand
	image     string
	ports     [2]string // of the web service: deployer's and the person's
	directory string
	good      string // the compose file that runs
	commits   int

	first, firstByHand time.Duration // what the first deploy took
}

func newScene(b *testing.B, repo *gittest.Repo, directory string) *scene {
	b.Helper()
	s := &scene{b: b, product: producttest.NewOver(b, repo), directory: directory, ports: [2]string{freePort(b), freePort(b)}}
	s.image = s.product.Image()
	s.product.Stop()
	s.product.Configure("generic", fmt.Sprintf("    directory: %s\n", directory))
	s.product.Start()
	s.hand = newByHand(b, s.product)
	s.good = s.compose("first", "")
	s.commit(s.good)
	s.first, _ = s.deployed(state.RunSucceeded)
	s.firstByHand = timed(func() { s.byHand(1) })
	return s
}

// compose is the file of the stack with a version of web.
func (s *scene) compose(version, extra string) string {
	return fmt.Sprintf(`services:
  web:
    image: %[1]s
    environment: {VERSION: %[2]q, %[3]s}
    ports: ["127.0.0.1:%[4]s:8080"]
    healthcheck: {test: [CMD, /testapp, health], interval: 300ms, retries: 10}
  other:
    image: %[1]s
    healthcheck: {test: [CMD, /testapp, health], interval: 300ms, retries: 10}
`, s.image, version, extra, s.ports[0])
}

// commit makes the next commit, with this compose file, and a check that the
// version in it answers.
func (s *scene) commit(compose string) {
	s.commits++
	_, version, _ := strings.Cut(compose, "VERSION: \"")
	version, _, _ = strings.Cut(version, "\"")
	s.product.Repo.Commit("main", "push", gittest.Files{
		path.Join(s.directory, "compose.yaml"): gittest.Text(compose),
		path.Join(s.directory, "pipeline.yaml"): gittest.Text(fmt.Sprintf(
			"verify: [{check: http, url: \"http://127.0.0.1:%s/\", body: {contains: %q}, within: 10s}]\n", s.ports[0], version)),
	})
}

// deployed delivers the branch's tip and waits, from the acknowledgement on,
// until its run is over.
func (s *scene) deployed(want state.RunStatus) (took time.Duration, run *state.Run) {
	s.b.Helper()
	id := s.product.Announce(s.product.Repo.Tip("main"))
	took = timed(func() { run = s.over(id) })
	producttest.MustEnd(s.b, run, want)
	return took, run
}

// over asks for a run until it is over, more often than a test would.
func (s *scene) over(id string) *state.Run {
	s.product.Follow(id)
	run := new(state.Run)
	s.product.Call("viewer", http.MethodGet, "/api/v1/runs/"+id, nil, run)
	return run
}

// byHand fetches the tip and brings it up.
func (s *scene) byHand(depth int) {
	s.hand.fetch(depth)
	s.hand.checkOut(s.directory, strings.NewReplacer(s.ports[0], s.ports[1]))
	s.hand.mustUp()
}

// changed measures a push that changes web.
func (s *scene) changed() time.Duration {
	version := fmt.Sprintf("version-%d", s.commits)
	s.good = s.compose(version, "")
	s.commit(s.good)
	took, _ := s.deployed(state.RunSucceeded)
	if got := get(s.b, "http://127.0.0.1:"+s.ports[0]+"/"); !strings.Contains(got, version) {
		s.b.Fatalf("web answers %q", got)
	}
	return took
}

// unchanged measures a push that changes nothing of the stack.
func (s *scene) unchanged() time.Duration {
	s.commits++
	s.product.Repo.Commit("main", "elsewhere", gittest.Files{"elsewhere/notes": gittest.Text(fmt.Sprint(s.commits))})
	took, _ := s.deployed(state.RunUnchanged)
	return took
}

// reportInTurns measures both as often as there are pushes, one after the other.
func reportInTurns(b *testing.B, one, other func() time.Duration) {
	b.Helper()
	var ours, floor []time.Duration
	for range pushes {
		ours, floor = append(ours, one()), append(floor, other())
	}
	report(b, ours, floor)
}

// peak is the most memory that the server has had, in MiB.
func (s *scene) peak() float64 { return memory(s.b, s.product.PID(), "VmHWM") }

// memory reads a line of a process's status, in MiB.
func memory(b *testing.B, pid int, line string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+line+":")
	var kB float64
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		b.Fatalf("%s of process %d: %v", line, pid, err)
	}
	return kB / 1024
}

func freePort(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func get(b *testing.B, url string) string {
	b.Helper()
	res, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
