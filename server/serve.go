package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Serve answers on ln until ctx ends, then lets requests under way finish for
// at most StopTimeout and cuts off what is left. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      2 * time.Minute, // logs and streams extend it as they go
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	if s.TLS == nil {
		go func() { failed <- srv.Serve(ln) }()
	} else {
		certificate := &certificate{files: *s.TLS, log: s.Log}
		if err := certificate.load(); err != nil {
			return errors.Join(err, ln.Close())
		}
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get}
		go func() { failed <- srv.ServeTLS(ln, "", "") }()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
		return s.stop(srv)
	}
}

func (s *Server) stop(srv *http.Server) error {
	s.stopOnce.Do(func() { close(s.stopping) })
	ctx, cancel := context.WithTimeout(context.Background(), s.StopTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		s.Log.Warn("requests were cut off when the server stopped", "after", s.StopTimeout)
		return srv.Close()
	}
	return nil
}

func originOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("the server's url: %w", err)
	}
	return u.Scheme + "://" + u.Host, nil
}
