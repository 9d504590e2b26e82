package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
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
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			c, err := load(path)
			if err != nil {
				return exitError{exitUsage, err}
			}
			logWarnings(log, c)
			app, err := newApp(cmd.Context(), c, log)
			if err != nil {
				return err
			}
			return errors.Join(app.serve(cmd.Context(), path, hangups), app.close())
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "/etc/deployer/deployer.yaml", "configuration file")
	return cmd
}

// serve runs the server until ctx ends. At each hangup it reads the
// configuration at path again.
func (a *app) serve(ctx context.Context, path string, hangups <-chan os.Signal) error {
	ln, err := net.Listen("tcp", a.started.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w; change listen: in deployer.yaml, or stop what holds the address", err)
	}
	stopMetrics, err := a.serveMetrics(a.started.MetricsListen)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer stopMetrics()

	ctx, stop := context.WithCancel(ctx)
	notices, reports := a.serveNotices(ctx), a.serveReports(ctx)
	defer func() { <-notices; <-reports }()
	defer stop()
	failed := make(chan error, 2)
	go func() { failed <- a.queue.Serve(ctx, stopGrace) }()
	go func() { failed <- a.server.Serve(ctx, ln) }()
	a.log.Info("deployer is ready", "version", version, "listen", ln.Addr().String(), "stacks", len(a.queue.Names()), "data", a.started.Data)
	if len(a.started.Tokens) == 0 {
		a.log.Warn("deployer.yaml has no tokens: nobody can use the API and the page", "hint", "deployer token NAME --role admin makes one")
	}
	notifySystemd()
	for {
		select {
		case <-hangups:
			a.reload(ctx, path)
		case first := <-failed:
			stop() // the one that is left stops too
			return errors.Join(first, <-failed)
		}
	}
}

// serveMetrics opens the metrics' own address, where there is one.
func (a *app) serveMetrics(address string) (stop func(), err error) {
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
			a.log.Error("serve metrics", "error", err)
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
