package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"deployer/config"
)

// reload reads deployer.yaml and the secrets that it names again, and puts
// them in force. Where anything is wrong with them, nothing changes. Its
// callers come one after the other.
func (a *app) reload(ctx context.Context, path string) {
	c, err := load(path)
	if err != nil {
		a.refuse(path, err)
		return
	}
	s, err := a.setUp(ctx, c)
	if err != nil {
		a.refuse(path, err)
		return
	}
	if err := a.enforce(s); err != nil {
		a.refuse(path, err)
		return
	}
	logWarnings(a.log, c)
	for _, key := range needRestart(a.started, c) {
		a.log.Warn("a change in deployer.yaml needs a restart; until then the value from the start stays", "key", key)
	}
	if err := a.closeUnused(s); err != nil {
		a.log.Warn("close what the configuration does not use any more", "error", err)
	}
	a.log.Info("deployer.yaml was read again and is in force", "file", path,
		"stacks", len(s.stacks), "repositories", len(c.Repositories), "tokens", len(c.Tokens))
}

// refuse says each thing that is wrong with a configuration.
func (a *app) refuse(path string, err error) {
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			logProblem(a.log.Error, p)
		}
	} else {
		a.log.Error(err.Error(), "file", path)
	}
	a.log.Error("deployer.yaml was read again and is not good; the configuration before stays in force", "file", path)
	a.server.ReloadFailed()
}

func logWarnings(log *slog.Logger, c *config.Config) {
	for _, warning := range c.Warnings {
		logProblem(log.Warn, warning)
	}
}

func logProblem(log func(string, ...any), p config.Problem) {
	log(p.Message, "file", p.File, "line", p.Line, "key", p.Path, "hint", p.Hint)
}

// needRestart returns the keys that differ and are only read at the start.
func needRestart(started, c *config.Config) []string {
	sameTLS := (started.TLS == nil) == (c.TLS == nil) && (c.TLS == nil || *started.TLS == *c.TLS)
	var keys []string
	for _, k := range []struct {
		key  string
		same bool
	}{
		{"listen", started.Listen == c.Listen},
		{"tls", sameTLS},
		{"trusted_proxies", slices.Equal(started.TrustedProxies, c.TrustedProxies)},
		{"metrics_listen", started.MetricsListen == c.MetricsListen},
		{"url", started.URL == c.URL},
		{"data", started.Data == c.Data},
	} {
		if !k.same {
			keys = append(keys, k.key)
		}
	}
	return keys
}
