package check

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/goccy/go-yaml"

	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

func parse(t *testing.T, source string) Spec {
	t.Helper()
	var s Spec
	if err := yaml.UnmarshalWithOptions([]byte(source), &s, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return s
}

func run(t *testing.T, source string, w *World) Result {
	t.Helper()
	return Run(t.Context(), parse(t, source), w)
}

// want fails the test unless the result has the status and its message and
// hint together hold every part.
func want(t *testing.T, r Result, status state.StepStatus, parts ...string) {
	t.Helper()
	if r.Status != status {
		t.Fatalf("got %s %q (hint %q), want %s", r.Status, r.Message, r.Hint, status)
	}
	for _, part := range parts {
		if !strings.Contains(r.Message+"\n"+r.Hint, part) {
			t.Errorf("%q (hint %q) does not contain %q", r.Message, r.Hint, part)
		}
	}
	if (status == state.StepFailed || status == state.StepWarned) && r.Hint == "" && r.Message != "canceled" {
		t.Errorf("%q comes without a hint", r.Message)
	}
}

func never(t *testing.T, r Result, part string) {
	t.Helper()
	if strings.Contains(r.Message+r.Hint, part) {
		t.Errorf("%q (hint %q) shows %q", r.Message, r.Hint, part)
	}
}

func public(name, value string) secrets.Var {
	return secrets.Var{Name: name, Value: secrets.NewValue(value)}
}

func secret(name, value string) secrets.Var {
	return secrets.Var{Name: name, Value: secrets.NewValue(value), Secret: true}
}

func environment(vars ...secrets.Var) *secrets.Env {
	return secrets.NewEnv(".env.production", true, vars)
}

// fakeEngine stands in where a real Engine is hard to bring into a state.
type fakeEngine struct {
	info       func() (project.Engine, error)
	containers func() ([]project.Container, error)
	exec       func(service string, argv []string) (project.ExecResult, error)
	logs       string
	published  []project.Published
	written    func(id string) string // in place of logs
	since      time.Time              // that logs were asked for last
	file       func(service, path string) (project.ContainerFile, error)
	use        map[string]int64 // by volume
}

func (e *fakeEngine) VolumeUse(_ context.Context, volume string) (int64, error) {
	bytes, ok := e.use[volume]
	if !ok {
		return 0, fmt.Errorf("volume %s does not exist", volume)
	}
	return bytes, nil
}

func (e *fakeEngine) Info(context.Context) (project.Engine, error) { return e.info() }

func (e *fakeEngine) Containers(context.Context, string) ([]project.Container, error) {
	return e.containers()
}

func (e *fakeEngine) Published(context.Context) ([]project.Published, error) { return e.published, nil }

func (e *fakeEngine) Exec(_ context.Context, _, service string, argv []string) (project.ExecResult, error) {
	return e.exec(service, argv)
}

func (e *fakeEngine) Logs(_ context.Context, id string, _ int, since time.Time) (string, error) {
	e.since = since
	if e.written != nil {
		return e.written(id), nil
	}
	return e.logs, nil
}

func (e *fakeEngine) ReadFile(_ context.Context, _, service, path string) (project.ContainerFile, error) {
	return e.file(service, path)
}

func projectOf(services ...types.ServiceConfig) *project.Project {
	p := &project.Project{Name: "shop", Compose: &types.Project{Name: "shop", Services: types.Services{}}}
	for _, s := range services {
		p.Compose.Services[s.Name] = s
	}
	return p
}
