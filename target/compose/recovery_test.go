package compose

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/project"
	"deployer/state"
)

func TestEngineLostInTheMiddleOfAnApply(t *testing.T) {
	r := newRig(t)
	p := r.resolve("services: {web: {image: IMAGE, environment: {HEALTH_AFTER: 1h}, healthcheck: {test: [CMD, /testapp, health], interval: 100ms, retries: 1000}}}")
	proxy := newProxy(t, r.host, "")
	target, err := New(Options{Host: proxy.host})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	started := &signalOn{text: "web-1 started", do: proxy.cut}
	err = target.Apply(t.Context(), p, project.ApplyOptions{Log: started, Wait: 20 * time.Second})
	if !errors.Is(err, project.ErrEngineUnreachable) {
		t.Errorf("got %v, want project.ErrEngineUnreachable", err)
	}
}

// A proxy stands between a target and the real Engine, to be cut.
type proxy struct {
	host     string
	before   string // cut before a request that contains this is passed on; empty: never
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

func newProxy(t *testing.T, engine, before string) *proxy {
	t.Helper()
	path, ok := strings.CutPrefix(engine, "unix://")
	if !ok {
		t.Skip("the Engine is not on a unix socket")
	}
	dir, err := os.MkdirTemp("", "deployer") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{host: "unix://" + socket, before: before, listener: listener}
	t.Cleanup(p.cut)
	go p.serve(path)
	return p
}

func (p *proxy) serve(engine string) {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("unix", engine)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		go p.pass(out, in)
		go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	}
}

// pass passes requests on. The client writes the head of each at once.
func (p *proxy) pass(engine io.WriteCloser, requests io.Reader) {
	defer engine.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := requests.Read(buf)
		if err != nil {
			return
		}
		if p.before != "" && strings.Contains(string(buf[:n]), p.before) {
			p.cut()
			return
		}
		if _, err := engine.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) cut() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func TestApplyIsRepeatedAfterACutAtAnyPoint(t *testing.T) {
	next := strings.Replace(two, `VERSION: "1"`, `VERSION: "2"`, 1)
	for name, before := range map[string]string{
		"make the replacement":     "/containers/create",
		"stop the old container":   "/stop",
		"remove the old container": "DELETE ",
		"rename the replacement":   "/rename",
		"start the replacement":    "/start",
		"look at what was started": "/json HTTP/1.1",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			good := r.resolve(two)
			r.mustApply(good)
			kept := r.containers()["api-1"].ID
			proxy := newProxy(t, r.host, before)
			target, err := New(Options{Host: proxy.host})
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			err = target.Apply(t.Context(), r.resolve(next), project.ApplyOptions{StopTimeout: time.Second})
			if !errors.Is(err, project.ErrEngineUnreachable) {
				t.Fatalf("got %v, want project.ErrEngineUnreachable", err)
			}
			for _, p := range []*project.Project{r.resolve(next), good} { // forward, and back
				r.mustApply(p)
				have := r.containers()
				if len(have) != 2 || have["api-1"].ID != kept || have["web-1"].Health != "healthy" {
					t.Errorf("want web and the api of before, both up: %v", have)
				}
				for service, change := range r.plan(p) {
					if change.Action != state.ActionKeep {
						t.Errorf("plan of %s after the apply: %+v", service, change)
					}
				}
			}
		})
	}
}

func TestLeftOversOfACrash(t *testing.T) {
	r := newRig(t)
	p := r.resolve(two)
	r.mustApply(p)
	old := r.containers()["web-1"]
	inspected, err := r.engine.ContainerInspect(t.Context(), old.ID)
	if err != nil {
		t.Fatal(err)
	}
	config := inspected.Config
	config.Labels["com.docker.compose.replace"] = "web-1"
	replacement := func() string {
		c, err := r.engine.ContainerCreate(t.Context(), config, inspected.HostConfig, nil, nil, old.ID[:12]+"_"+r.name+"-web-1")
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}

	t.Run("beside the old container it is removed", func(t *testing.T) {
		replacement()
		if got := r.plan(p)["web"].Action; got != "keep" {
			t.Errorf("plan: %s", got)
		}
		r.mustApply(p)
		if have := r.containers(); len(have) != 2 || have["web-1"].ID != old.ID {
			t.Errorf("want the old containers alone: %v", have)
		}
	})
	t.Run("without it, it takes its name", func(t *testing.T) {
		id := replacement()
		if err := r.engine.ContainerRemove(t.Context(), old.ID, container.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		r.mustApply(p)
		if have := r.containers(); len(have) != 2 || have["web-1"].ID != id || have["web-1"].Health != "healthy" {
			t.Errorf("want the replacement in the old one's place: %v", have)
		}
	})
}

func TestContainerThatLostItsNetworkIsRecreated(t *testing.T) {
	r := newRig(t)
	p := r.resolve(two)
	r.mustApply(p)
	before := r.containers()
	if err := r.Stop(t.Context(), r.name, "web"); err != nil {
		t.Fatal(err)
	}
	err := r.engine.NetworkDisconnect(t.Context(), r.name+"_default", before["web-1"].ID, true)
	if err != nil {
		t.Fatal(err)
	}
	r.mustApply(p)
	after := r.containers()
	if after["web-1"].ID == before["web-1"].ID || after["api-1"].ID != before["api-1"].ID {
		t.Errorf("want web alone recreated: %v", after)
	}
	items, err := r.list(t.Context(), r.name)
	if err != nil {
		t.Fatal(err)
	}
	if names := detached(p.Compose, items); len(names) > 0 {
		t.Errorf("still off their networks: %v", names)
	}
}

func TestExternalNetworkThatDoesNotExistChangesNothing(t *testing.T) {
	r := newRig(t)
	p := r.resolve(`
services: {web: {image: IMAGE, networks: [proxy]}}
networks: {proxy: {external: true, name: deployer-test-no-such-network}}
`)
	_, err := r.apply(p)
	if err == nil || !strings.Contains(err.Error(), "docker network create deployer-test-no-such-network") {
		t.Errorf("got %v", err)
	}
	if have := r.containers(); len(have) != 0 {
		t.Errorf("containers were made: %v", have)
	}
}
