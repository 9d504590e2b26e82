package check

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

const stagingHint = "a trial CA made it, and no client trusts it: take caServer out of Traefik's resolver, and remove the resolver's entry from its storage (acme.json), for Traefik keeps what it has"

// tlsCheck looks at the certificate that a host presents: chain, names, and
// how long it lasts. Given `within`, it waits for one that is being issued.
type tlsCheck struct {
	Host    tlsHost    `check:"host,required"`
	Names   []text     `check:"names"`    // besides the host's own
	CA      text       `check:"ca"`       // path of a PEM file of the commit; default: the system's authorities
	MinDays int        `check:"min_days"` // that it must still be valid
	Resolve []override `check:"resolve"`
}

func newTLS() Check { return &tlsCheck{MinDays: 14} }

func (c *tlsCheck) validate() error {
	if c.MinDays < 0 {
		return fmt.Errorf("min_days: %d is less than nothing", c.MinDays)
	}
	return nil
}

func (c *tlsCheck) Run(ctx context.Context, w *World) Result {
	roots := w.tls().RootCAs
	if c.CA.plain != "" {
		var err error
		if roots, err = w.roots(c.CA); err != nil {
			return failed(err.Error(), "correct the check in pipeline.yaml")
		}
	}
	started := time.Now()
	certificates, err := w.served(ctx, connectTo(c.Resolve, c.Host.plain), c.Host.host.plain)
	if err != nil {
		what, hint := explain(err, time.Since(started))
		return failed(fmt.Sprintf("%s: %s", c.Host, what), hint)
	}
	r := c.judge(certificates, roots, w.now())
	r.Measured = measureDays(certificates[0], w.now())
	r.final = isTraefikDefault(certificates[0]) && w.refused(ctx, c.Host.host.plain)
	return r
}

// judge says what is wrong with what was presented, the cause before what
// only follows from it.
func (c *tlsCheck) judge(certificates []*x509.Certificate, roots *x509.CertPool, now time.Time) Result {
	leaf := certificates[0]
	evidence := fmt.Sprintf("%s presents %s", c.Host, aboutCertificate(leaf, now))
	if isTraefikDefault(leaf) {
		return failed(fmt.Sprintf("%s presents Traefik's default certificate: Traefik has none for %s (yet)", c.Host, c.Host.host),
			"read Traefik's log for what the CA answered, and see that the router's labels set tls.certresolver; issuing takes up to two minutes (`within: 2m`)")
	}
	if issuer := stagingIssuer(certificates); issuer != "" {
		return failed(fmt.Sprintf("%s, and %q is a staging issuer", evidence, excerpt(issuer, 100)), stagingHint)
	}
	if err := chain(certificates, roots, now); err != nil {
		what, hint := explain(err, 0)
		return failed(fmt.Sprintf("%s, but %s", evidence, what), hint)
	}
	var missing []string
	for _, name := range append([]text{c.Host.host}, c.Names...) {
		if leaf.VerifyHostname(name.plain) != nil {
			missing = append(missing, name.shown)
		}
	}
	if len(missing) > 0 {
		return failed(fmt.Sprintf("%s, not for %s", evidence, strings.Join(missing, ", ")),
			"see the router's rule and its tls.domains labels: each name must be in the certificate that it asks for")
	}
	if left := leaf.NotAfter.Sub(now); left < time.Duration(c.MinDays)*24*time.Hour {
		return failed(fmt.Sprintf("%s, want %d", evidence, c.MinDays),
			"it was not renewed in time: read Traefik's log for what the CA answers; restarting Traefik makes it try again")
	}
	return passed(evidence)
}
