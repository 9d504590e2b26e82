package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// client returns a client that connects, trusts and follows as the check says.
func (c *httpCheck) client(w *World) (*http.Client, error) {
	t := w.transport()
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return w.dial(ctx, network, c.overridden(address))
	}
	if c.SNI.plain != "" {
		t.TLSClientConfig.ServerName = c.SNI.plain
	}
	if c.Insecure {
		t.TLSClientConfig.InsecureSkipVerify = true
	}
	if c.CA.plain != "" {
		roots, err := w.roots(c.CA)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{Transport: t, CheckRedirect: c.redirect}, nil
}

// roots returns the authorities of a PEM file of the commit, and no others.
func (w *World) roots(path text) (*x509.CertPool, error) {
	if w.ReadFile == nil {
		return nil, errors.New("the files of the commit are not at hand here, so ca cannot be read")
	}
	pem, err := w.ReadFile(path.plain)
	if err != nil {
		return nil, fmt.Errorf("read ca %s: %w", path, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca %s holds no certificate in PEM form", path)
	}
	return pool, nil
}

func (c *httpCheck) request(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, string(c.Method), c.URL.plain, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "deployer")
	for name, value := range c.Headers {
		r.Header.Set(name, value.plain)
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if c.Host.plain != "" {
		r.Host = c.Host.plain
	}
	if c.Basic.Username.plain != "" {
		r.SetBasicAuth(c.Basic.Username.plain, c.Basic.Password.plain)
	}
	return r, nil
}

// redirect decides about the next hop. What the check sends of its own, which
// may be a secret, does not leave the place it was meant for.
func (c *httpCheck) redirect(next *http.Request, via []*http.Request) error {
	if c.Redirects != redirectsFollow {
		return http.ErrUseLastResponse
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	}
	if first := via[0].URL; next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
		for name := range c.Headers {
			next.Header.Del(name)
		}
		next.Header.Del("Authorization")
		next.Header.Del("Referer")
	}
	return nil
}
