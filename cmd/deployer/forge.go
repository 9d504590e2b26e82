package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"deployer/config"
	"deployer/forge"
)

// newReporter makes what writes to forges, by the configuration that is in
// force at each time.
func (a *app) newReporter() *forge.Reporter {
	return forge.NewReporter(forge.ReporterOptions{
		Store: a.store, URL: a.started.URL, Now: time.Now, Log: a.log,
		Mask:    func(text string) string { return a.mask().Redact(text) },
		Clients: func() map[string]forge.Client { return a.inForce.Load().forges },
		RepositoryOf: func(stack string) string {
			if s := a.inForce.Load().config.Stacks[stack]; s != nil {
				return s.Repository
			}
			return ""
		},
	})
}

// forges makes a client for each repository that has a forge.
func forges(c *config.Config) (map[string]forge.Client, error) {
	out := map[string]forge.Client{}
	for name, r := range c.Repositories {
		if r.Forge == nil {
			continue
		}
		var err error
		if out[name], err = forgeOf(r); err != nil {
			return nil, fmt.Errorf("repositories.%s.forge: %w", name, err)
		}
	}
	return out, nil
}

func forgeOf(r *config.Repository) (forge.Client, error) {
	doer, err := forgeDoer(string(r.CAFile))
	if err != nil {
		return nil, err
	}
	return forge.New(forge.Options{
		Provider: r.Forge.Provider, API: r.Forge.API, Repository: r.URL, Name: r.Forge.Repository,
		Token: r.Forge.Token.Read, Doer: doer,
	})
}

// forgeDoer trusts what the repository's fetches trust: the system's
// authorities, or those of a file.
func forgeDoer(caFile string) (*http.Client, error) {
	if caFile == "" {
		return &http.Client{}, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", caFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

// serveReports writes to forges until ctx ends.
func (a *app) serveReports(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.reporter.Serve(ctx)
	}()
	return done
}
