package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// reason is err in the words of an operator where the cause is known.
func reason(err error) string {
	var outer *url.Error // repeats the URL, which may hold a token
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return err.Error()
}

// explain makes a sentence and a hint of an error of the network or of TLS
// that came after some time.
func explain(err error, after time.Duration) (what, hint string) {
	if what, hint, ok := explainCertificate(err); ok {
		return what, hint
	}
	var (
		dns     *net.DNSError
		alert   tls.AlertError
		record  tls.RecordHeaderError
		network net.Error
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host: " + dns.Name, "make a DNS record for it, or wait until a new one has spread"
	case errors.As(err, &dns):
		return "DNS does not answer for " + dns.Name, "see that the resolver of this machine works"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused" + at(err), "nothing listens there: see that the service runs and that its port is published"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer", "read the log of the service; it may still be starting, or speak another protocol"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host" + at(err), "see the address, the network and the firewall"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "it does not speak TLS", "use http:// or no tls, or see why the port is served without TLS"
	case errors.As(err, &alert):
		return "TLS was refused: " + alert.Error(), "see the server name (sni), and which TLS versions the server takes"
	case errors.Is(err, context.Canceled):
		return "canceled", ""
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("no answer within %s", round(after)), "see that the service is not overloaded and that no firewall drops the packets; `timeout` gives it longer"
	}
	return reason(err), "see that the address is right and that the service runs"
}

// at names the address that a connection was made to.
func at(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return " by " + op.Addr.String()
	}
	return ""
}

func explainCertificate(err error) (what, hint string, ok bool) {
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is not for %s, but for %s", excerpt(name.Host, 100), namesOf(name.Certificate)),
			certificateHint(name.Certificate, "see the server's certificate for this name, and the host of the URL"), true
	case errors.As(err, &authority):
		issuer := "an unknown authority"
		if authority.Cert != nil {
			issuer = fmt.Sprintf("%q, an unknown authority", excerpt(authority.Cert.Issuer.String(), 100))
		}
		return "the certificate is signed by " + issuer,
			certificateHint(authority.Cert, "give the authority's certificate with `ca`, if it is one of your own"), true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		from, until := invalid.Cert.NotBefore.UTC(), invalid.Cert.NotAfter.UTC()
		return fmt.Sprintf("the certificate is valid only from %s to %s", from.Format(time.DateTime), until.Format(time.DateTime)),
			"renew it, and see that the clocks are right", true
	case errors.As(err, &invalid):
		return "the certificate is not valid: " + invalid.Error(), "see the server's certificate", true
	}
	return "", "", false
}

// certificateHint knows the stand-in that Traefik serves while it has none.
func certificateHint(c *x509.Certificate, otherwise string) string {
	if c != nil && isTraefikDefault(c) {
		return "Traefik has no certificate for this name yet: read its log for what the ACME server answered"
	}
	return otherwise
}

func namesOf(c *x509.Certificate) string {
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name at all"
	}
	return excerpt(strings.Join(names, ", "), 300)
}
