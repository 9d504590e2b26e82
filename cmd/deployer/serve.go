package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"deployer/config"
)

// stopGrace is how long runs under way may take to reach a point from which
// the next start goes on.
const stopGrace = 20 * time.Second

func newServe() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "serve", Short: "Take webhooks, and deploy", GroupID: groupHere, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			c, err := config.Load(path)
			if err != nil {
				return exitError{exitUsage, err}
			}
			for _, warning := range c.Warnings {
				log.Warn(warning.Message, "file", warning.File, "line", warning.Line, "key", warning.Path, "hint", warning.Hint)
			}
			return serve(cmd.Context(), c, log, nil)
		},
	}
	cmd.Flags().StringVar(&path, "config", "/etc/deployer/deployer.yaml", "configuration file")
	return cmd
}

// serve runs a server until ctx ends. It calls ready, where that is not nil,
// with the address that it listens on.
func serve(ctx context.Context, c *config.Config, log *slog.Logger, ready func(net.Addr)) (err error) {
	app, err := newApp(c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.close()) }()

	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w; change listen: in deployer.yaml, or stop what holds the address", err)
	}
	stopMetrics, err := app.serveMetrics(c.MetricsListen, log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer stopMetrics()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 2)
	go func() { failed <- app.queue.Serve(ctx, stopGrace) }()
	go func() { failed <- app.server.Serve(ctx, ln) }()
	log.Info("deployer is ready", "version", version, "listen", ln.Addr().String(), "stacks", len(app.queue.Names()), "data", c.Data)
	notifySystemd()
	if ready != nil {
		ready(ln.Addr())
	}
	first := <-failed
	stop() // the one that is left stops too
	return errors.Join(first, <-failed)
}

// serveMetrics opens the metrics' own address, where there is one.
func (a *app) serveMetrics(address string, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w; change metrics_listen: in deployer.yaml", err)
	}
	srv := &http.Server{Handler: a.server.MetricsHandler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serve metrics", "error", err)
		}
	}()
	return func() { _ = srv.Close() }, nil
}

// notifySystemd tells a service manager that asked for it that the server is ready.
func notifySystemd() {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("READY=1"))
}
