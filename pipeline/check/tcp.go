package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// tcpCheck opens a connection, with a TLS handshake where tls is true.
type tcpCheck struct {
	Address hostPort `check:"address,required"`
	TLS     bool     `check:"tls"`
}

func newTCP() Check { return &tcpCheck{} }

func (c *tcpCheck) Run(ctx context.Context, w *World) Result {
	started := time.Now()
	conn, err := w.dial(ctx, "tcp", c.Address.plain)
	if err != nil {
		what, hint := explain(err, time.Since(started))
		return failed(fmt.Sprintf("%s: %s", c.Address, what), hint)
	}
	defer func() { _ = conn.Close() }()
	if !c.TLS {
		return passed(fmt.Sprintf("%s accepts connections (%d ms)", c.Address, time.Since(started).Milliseconds()))
	}
	return c.handshake(ctx, w, conn, started)
}

func (c *tcpCheck) handshake(ctx context.Context, w *World, conn net.Conn, started time.Time) Result {
	config := w.tls()
	config.ServerName, _, _ = net.SplitHostPort(c.Address.plain)
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		what, hint := explain(err, time.Since(started))
		return failed(fmt.Sprintf("%s accepts connections, but TLS fails: %s", c.Address, what), hint)
	}
	leaf := secure.ConnectionState().PeerCertificates[0]
	return passed(fmt.Sprintf("%s speaks %s, with a certificate until %s (%d ms)", c.Address,
		tls.VersionName(secure.ConnectionState().Version), leaf.NotAfter.UTC().Format(time.DateOnly), time.Since(started).Milliseconds()))
}

// hostPort is an address to connect to.
type hostPort struct{ text }

func (h *hostPort) set(t text) error {
	host, port, err := net.SplitHostPort(t.plain)
	if err != nil || host == "" || !isPort(port) {
		return fmt.Errorf("%q is not host:port", t)
	}
	h.text = t
	return nil
}
