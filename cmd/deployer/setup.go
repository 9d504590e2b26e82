package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"deployer/config"
	"deployer/forge"
	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/queue"
	"deployer/secrets"
	"deployer/server"
	"deployer/state"
	"deployer/target/compose"
	"deployer/webhook"
)

// A setup is what follows from one deployer.yaml. It is never changed: a
// reload makes the next one.
type setup struct {
	config    *config.Config
	stacks    []*pipeline.Stack
	templates []*queue.Template
	targets   map[*compose.Target]bool // those that the stacks run on
	access    server.Access
	forges    map[string]forge.Client // by repository
	secrets   []config.Secret         // to be masked wherever text is written
}

// setUp makes the setup of a configuration, with the mirrors and targets that
// it needs and the app has not made yet. Nothing of it is in force then.
func (a *app) setUp(ctx context.Context, c *config.Config) (*setup, error) {
	clients, err := forges(c)
	if err != nil {
		return nil, err
	}
	s := &setup{config: c, forges: clients, targets: map[*compose.Target]bool{}, access: access(c), secrets: secretsOf(c)}
	for name, r := range c.Repositories {
		if a.mirrors[name] == nil {
			a.mirrors[name] = gitsync.Open(filepath.Join(a.started.Data, "mirrors", name+".git"), remoteIn(c, r))
		}
	}
	var keys secrets.Keyring
	for _, file := range c.Secrets.AgeKeyFiles {
		keys.AgeKeyFiles = append(keys.AgeKeyFiles, string(file))
	}
	for name, stack := range c.Stacks {
		if !stack.Enabled {
			continue
		}
		target, err := a.target(stack.Target)
		if err != nil {
			return nil, fmt.Errorf("stacks.%s.target: %w", name, err)
		}
		if err := a.atHome(ctx, stack.Target, target); err != nil {
			return nil, err
		}
		s.targets[target] = true
		if stack.Template() {
			s.templates = append(s.templates, a.template(c, stack, target, keys))
			continue
		}
		one, err := a.stack(c, stack, target, keys)
		if err != nil {
			return nil, exitError{exitUsage, fmt.Errorf("stacks.%s.%w", name, err)}
		}
		one.Poll = c.Repositories[stack.Repository].Poll
		s.stacks = append(s.stacks, one)
	}
	return s, nil
}

func (a *app) stack(c *config.Config, stack *config.Stack, target *compose.Target, keys secrets.Keyring) (*pipeline.Stack, error) {
	if err := target.Own(stack.Project); err != nil {
		return nil, fmt.Errorf("project: %w", hinted(err))
	}
	shelf := ""
	err := a.store.View(func(tx *state.Tx) (err error) {
		shelf, err = tx.ShelfOf(stack.Name, stack.RenamedFrom)
		return err
	})
	if err != nil {
		return nil, err
	}
	judge, err := a.policy(c, stack, shelf, target)
	if err != nil {
		return nil, err
	}
	return &pipeline.Stack{
		RenamedFrom: stack.RenamedFrom, Shelf: shelf, Configured: func(name string) bool { return c.Stacks[name] != nil },
		Name: stack.Name, Repository: stack.Repository, Branch: stack.Branch, Directory: stack.Directory,
		Project: stack.Project, Environment: stack.Environment, Claim: stack.Target.Docker + " " + stack.Project,
		Approval: stack.Approval, Freezes: freezes(stack.Freeze), Policy: judge, Reports: c.Repositories[stack.Repository].Forge != nil,
		Mirror: a.mirrors[stack.Repository], Keys: keys, Target: target,
		Provider: provider(c.Repositories[stack.Repository]), PlanForks: plansForks(c.Repositories[stack.Repository]),
		Roots: pipeline.NewRoots(a.started.Data, a.memory, shelf),
	}, nil
}

// template is an entry that stands for one stack in each folder. The branch is
// polled once for all of them.
func (a *app) template(c *config.Config, stack *config.Stack, target *compose.Target, keys secrets.Keyring) *queue.Template {
	return &queue.Template{
		Name: stack.Name, Repository: stack.Repository, Branch: stack.Branch, Folder: stack.Folder(),
		Poll: c.Repositories[stack.Repository].Poll, Mirror: a.mirrors[stack.Repository],
		Provider: provider(c.Repositories[stack.Repository]), PlanForks: plansForks(c.Repositories[stack.Repository]),
		Reports: c.Repositories[stack.Repository].Forge != nil,
		Make: func(_, directory string) (*pipeline.Stack, error) {
			one, err := stack.In(directory)
			if err != nil {
				return nil, err
			}
			return a.stack(c, one, target, keys)
		},
	}
}

// enforce puts a setup in the place of the one in force. The stacks change
// before the deliveries that are taken do: a delivery for a new repository
// finds the stacks that follow it. Where the stacks cannot change, the one
// before stays.
func (a *app) enforce(s *setup) error {
	before := a.inForce.Load()
	a.use(s)
	if err := a.queue.Reload(s.stacks, s.config.Workers, s.templates...); err != nil {
		a.use(before)
		return hinted(err)
	}
	a.server.Reload(s.access)
	return nil
}

func (a *app) use(s *setup) {
	a.inForce.Store(s)
	for name, r := range s.config.Repositories {
		a.mirrors[name].SetRemote(remoteIn(s.config, r))
	}
}

// hinted has what to do about an error in its text.
func hinted(err error) error {
	if hint := pipeline.Hint(err); hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

// closeUnused closes the mirrors and targets that a setup does not use.
func (a *app) closeUnused(s *setup) error {
	var errs []error
	for name, m := range a.mirrors {
		if s.config == nil || s.config.Repositories[name] == nil {
			errs = append(errs, m.Close())
		}
	}
	for _, t := range a.targets {
		if !s.targets[t] {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(errs...)
}

// provider is the forge of a repository; empty where no webhook says so.
func provider(r *config.Repository) string {
	if r.Webhook == nil {
		return ""
	}
	return r.Webhook.Provider
}

func plansForks(r *config.Repository) bool {
	return r.Forge != nil && r.Forge.Forks == config.ForksPlan
}

func freezes(in []config.Freeze) []pipeline.Freeze {
	var out []pipeline.Freeze
	for _, f := range in {
		out = append(out, pipeline.Freeze{From: pipeline.WeekTime(f.From), Until: pipeline.WeekTime(f.Until), Location: f.Location})
	}
	return out
}

// remoteIn says how to fetch a repository and its submodules.
func remoteIn(c *config.Config, r *config.Repository) gitsync.Remote {
	out := remote(r)
	out.Submodules = gitsync.Submodules{Off: r.Submodules.Off, From: r.Submodules.From}
	for _, name := range slices.Sorted(maps.Keys(c.Repositories)) {
		out.Submodules.Lend = append(out.Submodules.Lend, remote(c.Repositories[name]))
	}
	return out
}

// remote says how to fetch. The files that it names are read at each fetch.
func remote(r *config.Repository) gitsync.Remote {
	out := gitsync.Remote{URL: r.URL, CAFile: string(r.CAFile)}
	if r.Auth != nil {
		out.Username, out.SSHKeyFile, out.KnownHostsFile = r.Auth.Username, string(r.Auth.SSHKeyFile), string(r.Auth.KnownHostsFile)
		if !r.Auth.Password.Empty() {
			out.Password = gitsync.Credential{
				Source: "auth of repository " + r.Name + " in deployer.yaml",
				Read:   r.Auth.Password.Read,
			}
		}
	}
	return out
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

// secretsOf returns every secret of a configuration.
func secretsOf(c *config.Config) []config.Secret {
	var all []config.Secret
	for _, r := range c.Repositories {
		if r.Auth != nil {
			all = append(all, r.Auth.Password)
		}
		if r.Webhook != nil {
			all = append(all, r.Webhook.Secrets()...)
		}
		if r.Forge != nil {
			all = append(all, r.Forge.Token)
		}
	}
	for _, n := range c.Notify {
		all = append(all, n.URL)
	}
	for _, r := range c.Registries {
		all = append(all, r.Password)
	}
	return all
}
