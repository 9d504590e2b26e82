package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"deployer/state"
)

// served returns the certificates that address presents for a server name,
// the leaf first, whether they can be trusted or not.
func (w *World) served(ctx context.Context, address, serverName string) ([]*x509.Certificate, error) {
	conn, err := w.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	config := w.tls()
	config.ServerName = serverName
	// The caller judges: what is wrong is evidence, and all of it is wanted.
	config.InsecureSkipVerify = true
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure.ConnectionState().PeerCertificates, nil
}

// chain verifies certificates against roots, nil for the system's, leaving
// out the names that the leaf is for.
func chain(certificates []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	intermediates := x509.NewCertPool()
	for _, c := range certificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := certificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now})
	return err
}

// aboutCertificate says who issued it, for which names and until when.
func aboutCertificate(c *x509.Certificate, now time.Time) string {
	return fmt.Sprintf("a certificate of %s for %s until %s (%s)", issuerOf(c), namesOf(c),
		c.NotAfter.UTC().Format(time.DateOnly), daysLeft(c, now))
}

func issuerOf(c *x509.Certificate) string {
	name := cmp.Or(c.Issuer.CommonName, "an unnamed issuer")
	if len(c.Issuer.Organization) > 0 && !strings.Contains(name, c.Issuer.Organization[0]) {
		name = c.Issuer.Organization[0] + " " + name
	}
	return excerpt(name, 100)
}

// measureDays is what a metric shows of a certificate's time.
func measureDays(c *x509.Certificate, now time.Time) *state.Measure {
	return &state.Measure{Name: "certificate_days_left", Value: c.NotAfter.Sub(now).Hours() / 24}
}

func daysLeft(c *x509.Certificate, now time.Time) string {
	switch left := c.NotAfter.Sub(now); {
	case left < 0:
		return "over"
	case left < 48*time.Hour:
		return fmt.Sprintf("%d hours left", left/time.Hour)
	default:
		return fmt.Sprintf("%d days left", left/(24*time.Hour))
	}
}

// isTraefikDefault reports whether c is the stand-in that Traefik serves
// while it has no certificate for a name.
func isTraefikDefault(c *x509.Certificate) bool {
	return c.Subject.CommonName == "TRAEFIK DEFAULT CERT"
}

// stagingIssuer returns the issuer that makes certificates for trials only:
// the staging side of Let's Encrypt marks its own so.
func stagingIssuer(certificates []*x509.Certificate) string {
	for _, c := range certificates {
		for _, name := range append([]string{c.Issuer.CommonName}, c.Issuer.Organization...) {
			if strings.Contains(name, "(STAGING)") || strings.Contains(name, "Fake LE") {
				return name
			}
		}
	}
	return ""
}

// connectTo returns where to connect for a host and port, given overrides.
func connectTo(list []override, address string) string {
	return (&httpCheck{Resolve: list}).overridden(address)
}

// A tlsHost is host:port, 443 where no port is given.
type tlsHost struct {
	text
	host text // without the port
}

func (h *tlsHost) set(t text) error {
	host, port, err := net.SplitHostPort(t.plain)
	if err != nil {
		host, port = strings.Trim(t.plain, "[]"), "443"
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			host = ""
		}
	}
	if host == "" || !isPort(port) || strings.ContainsAny(host, "/@ ") {
		return fmt.Errorf("%q is neither a host nor host:port", t)
	}
	h.text, h.host = text{net.JoinHostPort(host, port), t.shown}, text{host, host}
	if t.plain != t.shown {
		h.host.shown = redacted
	}
	return nil
}
