package pipeline

import (
	"context"
	"io"
	"time"

	"deployer/project"
	"deployer/state"
)

// A Target is where a stack's releases run. Every method may be repeated
// after a crash at any point, and none removes a volume.
type Target interface {
	Info(ctx context.Context) (project.Engine, error)
	// Images resolves each service's image to one that is local, pulling by policy.
	Images(ctx context.Context, p *project.Project, policy string, log io.Writer) (map[string]project.Image, error)
	// MissingImages returns those of ids that are not local.
	MissingImages(ctx context.Context, ids []string) ([]string, error)
	// KeepImages protects exactly these images of the stack from a prune.
	KeepImages(ctx context.Context, stack string, ids []string) error
	// Mounted returns the paths of the Engine's host that any container mounts.
	Mounted(ctx context.Context) ([]string, error)
	// Published returns the ports of the Engine's host that any container holds.
	Published(ctx context.Context) ([]project.Published, error)
	Containers(ctx context.Context, projectName string) ([]project.Container, error)
	// Plan says what Apply would do to each service.
	Plan(ctx context.Context, p *project.Project, observed []project.Container) ([]state.ServiceChange, error)
	// VolumeProblems names volumes that exist with another definition.
	VolumeProblems(ctx context.Context, p *project.Project) ([]string, error)
	// NetworkProblems names external networks that are not there.
	NetworkProblems(ctx context.Context, p *project.Project) ([]string, error)
	// NameProblems names services whose container_name somebody else's container has.
	NameProblems(ctx context.Context, p *project.Project) ([]string, error)
	// Apply makes the target run p, recreating only what differs, and waits
	// until it is up. It calls o.Changing before the first change.
	Apply(ctx context.Context, p *project.Project, o project.ApplyOptions) error
	// StopContainer and StartContainer make room for a moment, and end that.
	// A container that is gone is no error.
	StopContainer(ctx context.Context, id string) error
	StartContainer(ctx context.Context, id string) error
	VolumeUse(ctx context.Context, volume string) (int64, error)
	Exec(ctx context.Context, projectName, service string, argv []string) (project.ExecResult, error)
	Logs(ctx context.Context, containerID string, tail int, since time.Time) (string, error)
	// ReadFile reads a file of a service's container, which need not run.
	ReadFile(ctx context.Context, projectName, service, path string) (project.ContainerFile, error)
}

// A WatchedTarget is a Target that tells by itself when something happens to
// what runs on it.
type WatchedTarget interface {
	Target
	// Events calls happened with the project of each container that starts,
	// ends, is removed, or changes its health, until ctx ends or the Engine is
	// lost. It calls subscribed first: nothing after that is missed.
	Events(ctx context.Context, subscribed func(), happened func(projectName string)) error
	// Projects lists the containers of every project by one call.
	Projects(ctx context.Context) (map[string][]project.Container, error)
	// Conditions says how each container of a project is.
	Conditions(ctx context.Context, projectName string) ([]project.Condition, error)
}
