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
	"strings"
	"time"

	"deployer/config"
	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/secrets"
	"deployer/server"
	"deployer/state"
	"deployer/target/compose"
	"deployer/webhook"
)

// An app is a whole deployer, wired. close undoes in reverse what newApp made.
type app struct {
	store    *state.Store
	queue    *pipeline.Queue
	server   *server.Server
	teardown []func() error
}

func newApp(c *config.Config, log *slog.Logger) (a *app, err error) {
	a = &app{}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return a, fmt.Errorf("make the data folder: %w", err)
	}
	if a.store, err = state.Open(filepath.Join(c.Data, "deployer.db")); err != nil {
		return a, err
	}
	a.teardown = append(a.teardown, a.store.Close)
	vault, err := secrets.OpenVault(filepath.Join(c.Data, "server.key"))
	if err != nil {
		return a, err
	}
	stacks, err := a.stacks(c)
	if err != nil {
		return a, err
	}
	runner := pipeline.NewRunner(a.store, pipeline.Parts{
		Vault: vault, Mask: masks(c), Dial: (&net.Dialer{}).DialContext, Client: &http.Client{},
		Resolver: net.DefaultResolver, Now: time.Now, Log: log, LogLimit: int64(c.Retention.Log),
		Retention: state.Retention{Runs: c.Retention.Runs, Age: c.Retention.Age},
	})
	metrics := &observers{}
	a.queue = pipeline.NewQueue(a.store, runner, stacks, c.Workers, log, metrics)
	a.server, err = server.New(server.Options{
		Store: a.store, Intake: a.queue, Control: a.queue, Stacks: a.queue, Access: access(c),
		URL: c.URL, TLS: serverTLS(c), TrustedProxies: c.TrustedProxies, Version: version, Log: log, Now: time.Now,
	})
	if err != nil {
		return a, err
	}
	metrics.server = a.server
	return a, nil
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

// stacks makes each enabled stack of the configuration with its mirror and
// its target; those that share a repository or an Engine share these.
func (a *app) stacks(c *config.Config) ([]*pipeline.Stack, error) {
	mirrors := map[string]*gitsync.Mirror{}
	for name, r := range c.Repositories {
		mirrors[name] = gitsync.Open(filepath.Join(c.Data, "mirrors", name+".git"), remote(r))
		a.teardown = append(a.teardown, mirrors[name].Close)
	}
	targets := map[string]*compose.Target{}
	memory, err := memoryFolder(c.Data)
	if err != nil {
		return nil, err
	}
	keys := secrets.Keyring{}
	for _, file := range c.Secrets.AgeKeyFiles {
		keys.AgeKeyFiles = append(keys.AgeKeyFiles, string(file))
	}
	var out []*pipeline.Stack
	for name, s := range c.Stacks {
		if !s.Enabled {
			continue
		}
		t, err := a.target(c, s.Target, targets)
		if err != nil {
			return nil, fmt.Errorf("stacks.%s.target: %w", name, err)
		}
		out = append(out, &pipeline.Stack{
			Name: name, Repository: s.Repository, Branch: s.Branch, Directory: s.Directory, Project: s.Project,
			Environment: s.Environment, Claim: s.Target.Docker + " " + s.Project, Poll: c.Repositories[s.Repository].Poll,
			Approval: s.Approval, Freezes: freezes(s.Freeze),
			Mirror: mirrors[s.Repository], Keys: keys, Target: t,
			Roots: pipeline.NewRoots(c.Data, memory, name),
		})
	}
	return out, nil
}

func (a *app) target(c *config.Config, want config.Target, known map[string]*compose.Target) (*compose.Target, error) {
	key := strings.Join([]string{want.Docker, string(want.CAFile), string(want.CertFile), string(want.KeyFile)}, " ")
	if t, ok := known[key]; ok {
		return t, nil
	}
	t, err := compose.New(compose.Options{
		Host: want.Docker, CAFile: string(want.CAFile), CertFile: string(want.CertFile), KeyFile: string(want.KeyFile),
		Clock: time.Now, Auth: registryAuth(c),
	})
	if err != nil {
		return nil, err
	}
	a.teardown = append(a.teardown, t.Close)
	known[key] = t
	return t, nil
}

func freezes(in []config.Freeze) []pipeline.Freeze {
	var out []pipeline.Freeze
	for _, f := range in {
		out = append(out, pipeline.Freeze{From: pipeline.WeekTime(f.From), Until: pipeline.WeekTime(f.Until), Location: f.Location})
	}
	return out
}

func remote(r *config.Repository) gitsync.Remote {
	out := gitsync.Remote{URL: r.URL, CAFile: string(r.CAFile)}
	if r.Auth != nil {
		out.Username, out.SSHKeyFile, out.KnownHostsFile = r.Auth.Username, string(r.Auth.SSHKeyFile), string(r.Auth.KnownHostsFile)
		if !r.Auth.Password.Empty() {
			out.Password = gitsync.Credential{
				Source: "auth of repository " + r.Name + " in deployer.yaml",
				Read:   func() (string, error) { return r.Auth.Password.Reveal(), nil },
			}
		}
	}
	return out
}

func registryAuth(c *config.Config) func(context.Context, string) (string, string, error) {
	return func(_ context.Context, host string) (string, string, error) {
		r, ok := c.Registries[host]
		if !ok {
			return "", "", nil
		}
		return r.Username, r.Password.Reveal(), nil
	}
}

// masks returns a maker of redactors that know every secret of deployer.yaml.
func masks(c *config.Config) func() *secrets.Redactor {
	var own []secrets.Value
	add := func(s config.Secret) {
		if !s.Empty() {
			own = append(own, secrets.NewValue(s.Reveal()))
		}
	}
	for _, r := range c.Repositories {
		if r.Auth != nil {
			add(r.Auth.Password)
		}
		if r.Webhook != nil {
			for _, s := range r.Webhook.Secrets() {
				add(s)
			}
		}
	}
	for _, r := range c.Registries {
		add(r.Password)
	}
	return func() *secrets.Redactor {
		r := secrets.NewRedactor()
		r.Add(own...)
		return r
	}
}

func access(c *config.Config) server.Access {
	a := server.Access{Hooks: map[string]server.Hook{}}
	for _, t := range c.Tokens {
		a.Tokens = append(a.Tokens, server.Token{Name: t.Name, Role: server.Role(t.Role), SHA256: t.SHA256})
	}
	for name, r := range c.Repositories {
		if r.Webhook == nil {
			continue
		}
		provider, ok := webhook.Lookup(r.Webhook.Provider)
		if !ok {
			continue // config refuses what this version does not support
		}
		var keys [][]byte
		for _, s := range r.Webhook.Secrets() {
			keys = append(keys, []byte(s.Reveal()))
		}
		a.Hooks[name] = server.Hook{Provider: provider, Secrets: func() ([][]byte, error) { return keys, nil }}
	}
	return a
}

func serverTLS(c *config.Config) *server.TLS {
	if c.TLS == nil {
		return nil
	}
	return &server.TLS{CertFile: string(c.TLS.CertFile), KeyFile: string(c.TLS.KeyFile)}
}
