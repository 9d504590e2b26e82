package compose

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/client"

	"deployer/internal/enginetest"
	"deployer/project"
	"deployer/state"
)

const check = `{test: ["CMD", "/testapp", "health"], interval: 150ms, timeout: 2s, retries: 2}`

// A rig is a target on the real Engine and one project's name on it.
type rig struct {
	*Target
	t      testing.TB
	engine *client.Client
	image  string
	name   string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel() // most of the time is the Engine's
	return newSerialRig(t)
}

func newSerialRig(t testing.TB) *rig {
	t.Helper()
	engine := enginetest.Client(t)
	target, err := New(Options{Host: engine.DaemonHost()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	r := &rig{Target: target, t: t, engine: engine, image: enginetest.Image(t, engine), name: enginetest.Name(t)}
	enginetest.Cleanup(t, engine, r.name)
	return r
}

// resolve loads compose text, in which IMAGE stands for the test image and
// PROBE for a health check, and pins the images.
func (r *rig) resolve(text string) *project.Project {
	r.t.Helper()
	p := load(r.t, r.name, strings.NewReplacer("IMAGE", r.image, "PROBE", check).Replace(text))
	images, err := r.Images(r.t.Context(), p, "missing", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	p.PinImages(images)
	return p
}

func load(t testing.TB, name, text string) *project.Project {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  t.TempDir(),
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(text)}},
	}, func(o *loader.Options) { o.SetProjectName(name, true) })
	if err != nil {
		t.Fatal(err)
	}
	return &project.Project{Name: name, Compose: p}
}

// apply applies p with short waits and returns its error and its log.
func (r *rig) apply(p *project.Project) (string, error) {
	r.t.Helper()
	var log buffer
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	err := r.Apply(ctx, p, project.ApplyOptions{
		Log: &log, Wait: 20 * time.Second, Settle: 200 * time.Millisecond, RemoveOrphans: true, StopTimeout: time.Second,
	})
	return log.String(), err
}

func (r *rig) mustApply(p *project.Project) string {
	r.t.Helper()
	log, err := r.apply(p)
	if err != nil {
		r.t.Fatalf("apply: %v\n%s", err, log)
	}
	return log
}

// containers returns the project's containers by name, without the project's prefix.
func (r *rig) containers() map[string]project.Container {
	r.t.Helper()
	list, err := r.Containers(r.t.Context(), r.name)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]project.Container{}
	for _, c := range list {
		out[strings.TrimPrefix(c.Name, r.name+"-")] = c
	}
	return out
}

func (r *rig) plan(p *project.Project) map[string]state.ServiceChange {
	r.t.Helper()
	list, err := r.Containers(r.t.Context(), r.name)
	if err != nil {
		r.t.Fatal(err)
	}
	changes, err := r.Plan(r.t.Context(), p, list)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]state.ServiceChange{}
	for _, c := range changes {
		out[c.Name] = c
	}
	return out
}

type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestNewRefusesHosts(t *testing.T) {
	for host, want := range map[string]string{
		"ssh://root@example.com": "ssh is not supported yet",
		"http://example.com":     "want unix:///path/of/socket or tcp://host:port",
		"":                       "want unix:///path/of/socket or tcp://host:port",
	} {
		if _, err := New(Options{Host: host}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q): got %v, want an error with %q", host, err, want)
		}
	}
	if _, err := New(Options{Host: "tcp://127.0.0.1:2376", CAFile: "ca.pem"}); err == nil || !strings.Contains(err.Error(), "a certificate file") {
		t.Errorf("half of the TLS files: got %v", err)
	}
}

func TestEngineThatIsDown(t *testing.T) {
	target, err := New(Options{Host: "unix://" + t.TempDir() + "/docker.sock"})
	if err != nil {
		t.Fatalf("New must not connect: %v", err)
	}
	p := load(t, "down", "services: {web: {image: web}}")
	calls := map[string]func() error{
		"Info":       func() error { _, err := target.Info(t.Context()); return err },
		"Containers": func() error { _, err := target.Containers(t.Context(), "down"); return err },
		"Images":     func() error { _, err := target.Images(t.Context(), p, "missing", nil); return err },
		"Apply":      func() error { return target.Apply(t.Context(), p, project.ApplyOptions{}) },
		"Down":       func() error { return target.Down(t.Context(), "down") },
		"Exec":       func() error { _, err := target.Exec(t.Context(), "down", "web", []string{"true"}); return err },
		"KeepImages": func() error { return target.KeepImages(t.Context(), "down", []string{"sha256:00"}) },
	}
	for name, call := range calls {
		err := call()
		if !errors.Is(err, project.ErrEngineUnreachable) {
			t.Errorf("%s: got %v, want project.ErrEngineUnreachable", name, err)
			continue
		}
		if !strings.Contains(err.Error(), "docker.sock") {
			t.Errorf("%s: %q does not name the host", name, err)
		}
		var hint interface{ Hint() string }
		if !errors.As(err, &hint) || hint.Hint() == "" {
			t.Errorf("%s: no hint", name)
		}
	}
}

func TestInfo(t *testing.T) {
	r := newRig(t)
	info, err := r.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Version == "" || info.APIVersion == "" || info.OS == "" || info.Arch == "" || info.RootDir == "" {
		t.Errorf("incomplete: %+v", info)
	}
	if strings.HasPrefix(r.host, "unix:") && info.FreeBytes <= 0 {
		t.Errorf("a local Engine's free space is not seen: %+v", info)
	}
}
