package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"deployer/examples"
)

func newInit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "init", Short: "Write a config repository that works: init registry DIR", GroupID: groupHere, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError("say what to write: `deployer init registry DIR`")
		},
	}
	registry := newInitRegistry()
	registry.Args = asUsage(registry.Args)
	cmd.AddCommand(registry)
	return cmd
}

// A registryPlan is what has to be known to write the registry's repository.
type registryPlan struct {
	dir      string
	domain   string // HOST: the registry is registry.domain
	email    string
	username string
	keyFile  string // of age
	yes      bool
}

func newInitRegistry() *cobra.Command {
	var p registryPlan
	cmd := &cobra.Command{
		Use: "registry DIR", Short: "A Docker registry behind Traefik with Let's Encrypt, for development and production", Args: cobra.ExactArgs(1),
		Example: "  deployer init registry infra --domain example.com --email ops@example.com",
		Long: `Writes a config repository: compose.yaml, Traefik's configuration, pipeline.yaml, a
plain .env for development, and .env.production with a strong password and its bcrypt
hash, encrypted for an age key, which is made where there is none. Nothing that is
there is overwritten.`,
	}
	flags := cmd.Flags()
	flags.StringVar(&p.domain, "domain", "", "your domain; the registry is registry.DOMAIN")
	flags.StringVar(&p.email, "email", "", "address that Let's Encrypt may write to")
	flags.StringVar(&p.username, "username", "registry-admin", "who may push and pull")
	flags.StringVar(&p.keyFile, "age-key", "", "file of the private key, outside of DIR; default: where SOPS looks by itself")
	flags.BoolVar(&p.yes, "yes", false, "ask nothing")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.dir = args[0]
		if err := p.complete(cmd); err != nil {
			return err
		}
		done, err := p.write()
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), done)
		}
		return done.explain(cmd.OutOrStdout())
	}
	return cmd
}

// complete asks a person for what the flags have not said, and judges all of it.
func (p *registryPlan) complete(cmd *cobra.Command) error {
	if p.keyFile == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return usageError("say where the private key is or goes: --age-key FILE (%w)", err)
		}
		p.keyFile = filepath.Join(dir, "sops", "age", "keys.txt")
	}
	if !p.yes && isTerminal(cmd.InOrStdin()) {
		if err := p.ask(cmd); err != nil {
			return err
		}
	}
	if p.domain == "" || p.email == "" {
		return usageError("--domain and --email are needed where nobody can be asked")
	}
	p.domain = strings.ToLower(strings.TrimSuffix(p.domain, "."))
	if rest, ok := strings.CutPrefix(p.domain, "registry."); ok && strings.Contains(rest, ".") {
		fmt.Fprintf(cmd.ErrOrStderr(), "deployer: the domain is taken as %s, so that the registry is registry.%s\n", rest, rest)
		p.domain = rest
	}
	return p.validate()
}

func (p *registryPlan) ask(cmd *cobra.Command) (err error) {
	lines := bufio.NewReader(cmd.InOrStdin())
	for _, q := range []struct {
		answer    *string
		question  string
		mandatory bool
	}{
		{&p.domain, "Domain (the registry is registry.DOMAIN)", p.domain == ""},
		{&p.email, "E-mail for Let's Encrypt", p.email == ""},
		{&p.username, "User name of the registry", !cmd.Flags().Changed("username")},
		{&p.keyFile, "File of the age key, made where there is none", !cmd.Flags().Changed("age-key")},
	} {
		if !q.mandatory {
			continue
		}
		if *q.answer, err = ask(cmd, lines, q.question, *q.answer); err != nil {
			return exitError{exitUsage, err}
		}
	}
	return nil
}

var hostname = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (p *registryPlan) validate() error {
	if len(p.domain) > 240 || !hostname.MatchString(p.domain) {
		return usageError("%q is no domain: write it like example.com, in ASCII (xn--… for others)", p.domain)
	}
	address, err := mail.ParseAddress(p.email)
	if err != nil || address.Address != p.email || !hostname.MatchString(strings.ToLower(p.email[strings.LastIndex(p.email, "@")+1:])) {
		return usageError("%q is no e-mail address: write it like ops@example.com", p.email)
	}
	if _, err := htpasswd(p.username, newPassword()); err != nil {
		return exitError{exitUsage, err}
	}
	inside, err := within(p.dir, p.keyFile)
	if err != nil {
		return err
	}
	if inside {
		return usageError("the private key %s would lie in %s, from where it could be committed: put it elsewhere with --age-key", p.keyFile, p.dir)
	}
	return p.nothingIsThere()
}

// nothingIsThere refuses to write over anything.
func (p *registryPlan) nothingIsThere() error {
	var there []string
	look := func(name string) error {
		switch _, err := os.Lstat(filepath.Join(p.dir, name)); {
		case err == nil:
			there = append(there, name)
		case !errors.Is(err, fs.ErrNotExist):
			return usageError("%w", err)
		}
		return nil
	}
	err := fs.WalkDir(examples.Registry(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return look(name)
	})
	if err = errors.Join(err, look(envName)); err != nil {
		return err
	}
	if len(there) > 0 {
		return usageError("%s has %s already, and nothing is overwritten: choose another folder", p.dir, strings.Join(there, ", "))
	}
	return nil
}

// within reports whether a file lies, or would lie, in a folder.
func within(dir, file string) (bool, error) {
	dir, err := realPath(dir)
	if err != nil {
		return false, err
	}
	file, err = realPath(file)
	if err != nil {
		return false, err
	}
	rel, err := filepath.Rel(dir, file)
	return err == nil && filepath.IsLocal(rel), nil
}

// realPath resolves the symlinks of a path as far as it exists.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for {
		resolved, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(resolved, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return "", err
		}
		path, rest = filepath.Dir(path), filepath.Join(filepath.Base(path), rest)
	}
}
