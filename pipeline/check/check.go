// Package check owns the built-in checks: named tests of the outside world
// that give evidence and a hint. One file holds one check. A Spec is a check
// as pipeline.yaml writes it, a Check is one that is ready to run.
package check

import (
	"context"
	"crypto/tls"
	"io"
	"io/fs"
	"net"
	"net/http"
	"time"

	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// A Check is one test, with its fields decoded and its variables filled in.
type Check interface {
	// Run looks once. It honours ctx and changes nothing that lasts.
	Run(ctx context.Context, w *World) Result
}

// A Result is what a check found. A check that could not look is skipped,
// never passed.
type Result struct {
	Status  state.StepStatus
	Message string // the evidence; must not hold a secret
	Hint    string // what to do, where the status is not passed

	Measured *state.Measure // what it has read, where that is a number

	final bool // a failure that trying again does not change
}

// Engine is what checks ask of the place where the stack runs.
type Engine interface {
	Info(ctx context.Context) (project.Engine, error)
	Containers(ctx context.Context, projectName string) ([]project.Container, error)
	Exec(ctx context.Context, projectName, service string, argv []string) (project.ExecResult, error)
	Published(ctx context.Context) ([]project.Published, error)
	Logs(ctx context.Context, containerID string, tail int, since time.Time) (string, error)
	// VolumeUse measures a volume, by the Engine's name for it, in bytes. That
	// takes the longer the more files there are.
	VolumeUse(ctx context.Context, volume string) (int64, error)
	// ReadFile reads a file of a service's container, which need not run.
	ReadFile(ctx context.Context, projectName, service, path string) (project.ContainerFile, error)
}

// A World is what a check may look at. Checks do not change it. What is nil
// cannot be looked at, or for Dial, Client, Resolve, Now, Log and Addresses has
// a plain default.
type World struct {
	Project  *project.Project // nil before the compose files are resolved
	Env      *secrets.Env
	Engine   Engine
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Client   *http.Client // template: a check clones its *http.Transport and leaves out its proxy
	Resolve  *net.Resolver
	ReadFile func(path string) ([]byte, error) // of the commit, relative to the stack's folder

	Tree      fs.FS  // the commit, from the repository's root
	Dir       string // the stack's folder in Tree
	Example   string // env_example of pipeline.yaml, from the stack's folder
	OpenEnv   func(ctx context.Context, name string, data []byte) (*secrets.Env, error)
	Addresses func() ([]net.Addr, error) // of this machine; default: net.InterfaceAddrs
	Now       func() time.Time
	Since     time.Time // when the present deploy began; zero where none is looked at
	Log       io.Writer // redacted
	Backups   Backups
	Issuances Issuances // nil: what containers tell now is all that is known
	// MakeRoom stops a container of the project for a moment; back starts it again and must be called.
	MakeRoom func(ctx context.Context, containerID, name string) (back func(context.Context) error, err error)
}

func (w *World) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.Dial != nil {
		return w.Dial(ctx, network, address)
	}
	return (&net.Dialer{Resolver: w.Resolve}).DialContext(ctx, network, address)
}

func (w *World) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

func (w *World) log() io.Writer {
	if w.Log != nil {
		return w.Log
	}
	return io.Discard
}

// transport returns a transport of the check's own, which the caller closes
// by CloseIdleConnections.
func (w *World) transport() *http.Transport {
	t := &http.Transport{ForceAttemptHTTP2: true}
	if template := w.template(); template != nil {
		t = template.Clone()
	}
	// A check asks the address it names; a proxy of the server's own network
	// would answer in its place.
	t.Proxy = nil
	t.DialTLSContext = nil
	t.DialContext = w.dial
	t.TLSClientConfig = w.tls()
	return t
}

// tls returns a TLS configuration of the check's own.
func (w *World) tls() *tls.Config {
	if template := w.template(); template != nil && template.TLSClientConfig != nil {
		return template.TLSClientConfig.Clone()
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}
}

func (w *World) template() *http.Transport {
	if w.Client == nil {
		return nil
	}
	t, _ := w.Client.Transport.(*http.Transport)
	return t
}

func passed(message string) Result { return Result{Status: state.StepPassed, Message: message} }

func failed(message, hint string) Result {
	return Result{Status: state.StepFailed, Message: message, Hint: hint}
}

func warned(message, hint string) Result {
	return Result{Status: state.StepWarned, Message: message, Hint: hint}
}

func skipped(why string) Result { return Result{Status: state.StepSkipped, Message: why} }
