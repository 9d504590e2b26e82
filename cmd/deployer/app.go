package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"deployer/config"
	"deployer/forge"
	"deployer/gitsync"
	"deployer/notify"
	"deployer/pipeline"
	"deployer/queue"
	"deployer/secrets"
	"deployer/server"
	"deployer/state"
	"deployer/target/compose"
)

// An app is a whole deployer, wired. close undoes in reverse what newApp made.
type app struct {
	started   *config.Config // what cannot change while it runs, it has from here
	log       *slog.Logger
	memory    string // folder on tmpfs
	container string // id of the one that this process runs in; empty where it runs in none
	store     *state.Store
	queue     *queue.Queue
	server    *server.Server
	notifier  *notify.Notifier
	reporter  *forge.Reporter
	inForce   atomic.Pointer[setup]
	exposures exposures

	// Made when they are first needed and kept for the life of the app, since a
	// mirror's folder belongs to one Mirror. A setup that does not use one has
	// it closed; a run that still does opens again what it needs.
	mirrors map[string]*gitsync.Mirror        // by repository
	targets map[string]*compose.Target        // by what they are made of
	home    map[*compose.Target]*compose.Home // by where deployer itself was looked for; nil where it was not found

	teardown []func() error
}

func newApp(ctx context.Context, c *config.Config, log *slog.Logger) (a *app, err error) {
	a = &app{
		started: c, log: log, container: ownContainer(), home: map[*compose.Target]*compose.Home{},
		mirrors: map[string]*gitsync.Mirror{}, targets: map[string]*compose.Target{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return a, fmt.Errorf("make the data folder: %w", err)
	}
	if a.store, err = state.Open(filepath.Join(c.Data, databaseFile)); errors.Is(err, state.ErrLocked) {
		return a, fmt.Errorf("%w; stop that one first, which takes up to %s, or give this one a data folder of its own", err, stopGrace)
	} else if err != nil {
		return a, err
	}
	a.teardown = append(a.teardown, a.store.Close)
	vault, err := secrets.OpenVault(filepath.Join(c.Data, "server.key"))
	if err != nil {
		return a, err
	}
	if a.memory, err = memoryFolder(c.Data); err != nil {
		return a, err
	}
	a.teardown = append(a.teardown, func() error { return a.closeUnused(&setup{}) })
	s, err := a.setUp(ctx, c)
	if err != nil {
		return a, err
	}
	a.inForce.Store(s)
	return a, a.wire(s, vault)
}

// wire makes the queue and the server.
func (a *app) wire(s *setup, vault *secrets.Vault) (err error) {
	runner := pipeline.NewRunner(a.store, pipeline.Parts{
		Vault: vault, Mask: a.mask, LogLimit: a.logLimit, Retention: a.retention,
		Dial: (&net.Dialer{}).DialContext, Client: &http.Client{}, Resolver: net.DefaultResolver, Now: time.Now, Log: a.log,
		Version: version,
	})
	a.notifier, a.reporter = a.newNotifier(), a.newReporter()
	metrics := &observers{}
	a.queue = queue.New(a.store, runner, s.stacks, s.config.Workers, a.log, metrics, a.notifier, a.reporter)
	if len(s.templates) > 0 {
		err = a.queue.Reload(s.stacks, s.config.Workers, s.templates...)
	} else {
		err = a.queue.Rename()
	}
	if err != nil {
		return exitError{exitUsage, hinted(err)}
	}
	a.server, err = server.New(server.Options{
		Store: a.store, Intake: a.queue, Control: a.queue, Stacks: a.queue, Access: s.access,
		URL: a.started.URL, TLS: serverTLS(a.started), TrustedProxies: a.started.TrustedProxies,
		Version: version, Log: a.log, Now: time.Now,
	})
	metrics.server = a.server
	return err
}

func (a *app) close() error {
	var errs []error
	for _, undo := range slices.Backward(a.teardown) {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

// observers hands a run's changes on to the server, which is made after the queue.
type observers struct{ server *server.Server }

func (o *observers) RunChanged(run *state.Run) { o.server.RunChanged(run) }

// mask makes a redactor that knows every secret of deployer.yaml: as it was
// loaded, and as its file has it now. Each run makes one, so here it is seen
// when a file has been opened to others.
func (a *app) mask() *secrets.Redactor {
	a.exposures.warn(a.log, a.inForce.Load().config.Exposed())
	r := secrets.NewRedactor()
	for _, s := range a.inForce.Load().secrets {
		r.Add(secrets.NewValue(s.Reveal()))
		if now, err := s.Read(); err == nil {
			r.Add(secrets.NewValue(now))
		}
	}
	return r
}

func (a *app) logLimit() int64 { return int64(a.inForce.Load().config.Retention.Log) }

func (a *app) retention() state.Retention {
	r := a.inForce.Load().config.Retention
	return state.Retention{Runs: r.Runs, Age: r.Age}
}

func serverTLS(c *config.Config) *server.TLS {
	if c.TLS == nil {
		return nil
	}
	return &server.TLS{CertFile: string(c.TLS.CertFile), KeyFile: string(c.TLS.KeyFile)}
}
