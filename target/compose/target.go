// Package compose owns the target that runs projects on one Docker Engine, by
// the Compose library for what containers, networks and volumes there must be
// and by the Engine's own API for starting and watching them. Nothing here
// removes a volume but RenewVolume and RemoveVolume, which only a restore asks for.
package compose

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/docker/docker/client"
	mobyclient "github.com/moby/moby/client"
	"github.com/sirupsen/logrus"
)

// Options say which Engine a Target talks to.
type Options struct {
	Host string // unix:///path, or tcp://host:port

	// For tcp with TLS, all three; paths of PEM files.
	CAFile   string
	CertFile string
	KeyFile  string

	Clock func() time.Time // nil: time.Now

	Container string // id of the one that deployer itself runs in; empty where it runs in none

	// Auth gives the credentials for a registry's host; an empty username
	// means none. Docker's own configuration and its credential helpers are
	// asked where Auth is nil or has none.
	Auth func(ctx context.Context, registryHost string) (username, password string, err error)
}

// A Target runs projects on one Engine. Its methods are safe for concurrent
// use, except that one project must be applied by one caller at a time. What
// would stop, replace or remove deployer itself fails with an *OwnError.
type Target struct {
	host   string
	engine *client.Client
	cli    *command.DockerCli // of the Compose library; see libraryCLI
	theirs *mobyclient.Client // the library's client of the same Engine
	early  early
	clock  func() time.Time
	auth   func(ctx context.Context, registryHost string) (username, password string, err error)
	own    own
	builds builds
}

// New returns a Target. It does not connect: an Engine that is down is the
// error of the first call that needs it.
func New(options Options) (*Target, error) {
	engine, theirs, err := newClients(options)
	if err != nil {
		return nil, err
	}
	// The library warns through the process-wide logger; what matters of it is
	// checked here, and a daemon's stderr belongs to its own log.
	logrus.SetOutput(io.Discard)
	cli, err := command.NewDockerCli(command.WithCombinedStreams(io.Discard))
	if err != nil {
		return nil, err
	}
	t := &Target{host: options.Host, engine: engine, cli: cli, theirs: theirs, clock: options.Clock, auth: options.Auth, own: own{id: options.Container}}
	if t.clock == nil {
		t.clock = time.Now
	}
	return t, nil
}

// Close drops the idle connections.
func (t *Target) Close() error { return errors.Join(t.engine.Close(), t.theirs.Close()) }

// libraryCLI hands the Compose library a client that is ready: the one that
// DockerCli makes for itself ends the process when it cannot be built. And an
// empty configuration: the proxies of a docker config.json on deployer's host
// would become environment of the containers.
type libraryCLI struct {
	*command.DockerCli
	engine mobyclient.APIClient
	config *configfile.ConfigFile
}

func (c libraryCLI) Client() mobyclient.APIClient       { return c.engine }
func (c libraryCLI) ConfigFile() *configfile.ConfigFile { return c.config }
func (c libraryCLI) CurrentVersion() string             { return c.engine.ClientVersion() }
func (c libraryCLI) ServerInfo() command.ServerInfo     { return command.ServerInfo{} }

// library returns the Compose library on the target's Engine. It reports to
// progress and prints nothing.
func (t *Target) library(progress api.EventProcessor) (api.Compose, error) {
	return compose.NewComposeService(libraryCLI{t.cli, t.theirs, configfile.New("")},
		compose.WithEventProcessor(progress),
		compose.WithPrompt(func(string, bool) (bool, error) {
			return false, nil // it asks whether to remove a volume together with its data
		}))
}
