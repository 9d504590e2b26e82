package e2e

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// stopTimeout is the one of docs/container.md, in seconds.
var stopTimeout = 45

// A vessel is the container that the product's server runs in. It is replaced
// as `docker compose up` does it: the old one ends and is removed, and one of
// another image is made under its name, with the same folders.
type vessel struct {
	*product
	name     string
	id       string   // of the container there is; empty between two
	versions []string // the one that runs, or is next, first
	images   []string // of the versions
	starts   starts
}

// newVessel runs the product in a container of the first of two versions.
func newVessel(t *testing.T) *vessel {
	t.Helper()
	v := &vessel{product: newProduct(t), name: enginetest.Name(t), versions: []string{"v1-of-test", "v2-of-test"}}
	v.Stop()
	for _, version := range v.versions {
		v.images = append(v.images, enginetest.ProgramImage(t, v.Engine, producttest.Versioned(t, version)))
	}
	if err := os.MkdirAll(v.Path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	v.give(v.Dir, v.Memory)
	v.starts.watch(v.product)
	return v
}

// begin makes the container of the version whose turn it is.
func (v *vessel) begin() {
	v.t.Helper()
	v.id = v.inNamedContainer(v.name, v.images[0], &container.Config{Env: []string{"RUNTIME_DIRECTORY=" + v.Memory}},
		v.Dir+":"+v.Dir, v.Memory+":"+v.Memory)
	v.mustBeReady(v.id)
	// The Engine writes down what a container said some time after it said it.
	v.Eventually(time.Minute, "the log says "+v.versions[0], func() bool {
		return strings.Contains(v.containerLog(v.id), "version="+v.versions[0])
	})
}

// stop ends the container as an orderly upgrade does. A server that needs all
// of its grace would be killed where people give it less.
func (v *vessel) stop() {
	v.t.Helper()
	if err := v.Engine.ContainerStop(v.t.Context(), v.id, container.StopOptions{Timeout: &stopTimeout}); err != nil {
		v.t.Fatal(err)
	}
	if code, text := v.ended(v.id); code != 0 {
		v.t.Errorf("a clean stop ends with %d\n%s", code, text)
	}
	v.remove()
}

// kill ends the container as a power cut does.
func (v *vessel) kill() {
	v.t.Helper()
	if err := v.Engine.ContainerKill(v.t.Context(), v.id, "KILL"); err != nil {
		v.t.Fatal(err)
	}
	v.remove()
}

func (v *vessel) remove() {
	v.t.Helper()
	if v.t.Failed() {
		v.t.Log(v.containerLog(v.id))
	}
	if err := v.Engine.ContainerRemove(v.t.Context(), v.id, container.RemoveOptions{Force: true}); err != nil {
		v.t.Fatal(err)
	}
	v.id = ""
	slices.Reverse(v.images)
	slices.Reverse(v.versions)
}

// mustHaveOneOutcome wants one run of a commit, that it ended so, and that the
// containers of these services, and no others, were started once for it.
func (v *vessel) mustHaveOneOutcome(commit, id string, want state.RunStatus, started ...string) {
	v.t.Helper()
	producttest.MustEnd(v.t, v.Wait(id), want)
	var runs []string
	for _, r := range v.History() {
		if r.Commit == commit {
			runs = append(runs, r.ID+" "+string(r.Status))
		}
	}
	if len(runs) != 1 {
		v.t.Errorf("the commit has the runs %v", runs)
	}
	if got := v.starts.take(); !slices.Equal(got, started) {
		v.t.Errorf("started for it were %v, want %v", got, started)
	}
	if want != state.RunSucceeded {
		return
	}
	var live struct{ Releases []*state.Release }
	v.Call("viewer", http.MethodGet, "/api/v1/releases?stack="+v.Stack, nil, &live)
	live.Releases = slices.DeleteFunc(live.Releases, func(r *state.Release) bool { return r.Commit != commit })
	if now := v.Now(); len(live.Releases) != 1 || now.Live.Commit != commit || now.LastGood.Commit != commit {
		v.t.Errorf("live is %+v, good is %+v, and of the commit there are %d releases", now.Live, now.LastGood, len(live.Releases))
	}
}

// starts are the services of a project whose containers were started.
type starts struct {
	mu       sync.Mutex
	services []string
}

func (s *starts) watch(p *product) {
	ctx, stop := context.WithCancel(context.Background())
	p.t.Cleanup(stop)
	messages, _ := p.Engine.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", "container"), filters.Arg("event", "start"), filters.Arg("label", "com.docker.compose.project="+p.Stack))})
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case m := <-messages:
				s.mu.Lock()
				s.services = append(s.services, m.Actor.Attributes["com.docker.compose.service"])
				s.mu.Unlock()
			}
		}
	}()
}

func (s *starts) has(service string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.services, service)
}

// take returns them in order of their names and forgets them.
func (s *starts) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.services
	s.services = nil
	slices.Sort(out)
	return out
}

// untilStarted waits until a service's new container runs.
func (v *vessel) untilStarted(service string) {
	v.t.Helper()
	v.Eventually(time.Minute, service+" is started", func() bool { return v.starts.has(service) })
}
