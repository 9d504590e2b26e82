package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"deployer/config"
	"deployer/notify"
)

// newNotifier makes what tells people, from the configuration that is in force
// at each message.
func (a *app) newNotifier() *notify.Notifier {
	return notify.New(notify.Options{
		Store: a.store, URL: a.started.URL, Send: notify.Send, Now: time.Now, Log: a.log,
		Mask:  func(text string) string { return a.mask().Redact(text) },
		Sinks: func() []notify.Sink { return sinks(a.inForce.Load().config) },
	})
}

func sinks(c *config.Config) []notify.Sink {
	var out []notify.Sink
	for i, n := range c.Notify {
		service, _, _ := strings.Cut(n.URL.Reveal(), ":")
		out = append(out, notify.Sink{Name: fmt.Sprintf("notify[%d] (%s)", i, service), URL: n.URL.Read})
	}
	return out
}

// serveNotices sends messages until ctx ends.
func (a *app) serveNotices(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.notifier.Serve(ctx)
	}()
	return done
}
