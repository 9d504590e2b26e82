package gitsync

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// A webClient keeps the connections to an HTTP remote between fetches. It is
// safe for concurrent use.
type webClient struct {
	mu       sync.Mutex
	ca       string // the certificates that transport was made with
	confined bool   // as the remote that it was made for
	client   *http.Client
}

// session opens a session; nothing is sent before its first use.
func (c *webClient) session(r Remote, l login) (transport.UploadPackSession, error) {
	client, err := c.trusting(r.CAFile, r.confined)
	if err != nil {
		return nil, err
	}
	var auth transport.AuthMethod
	if l.user != "" || l.password != "" {
		auth = &githttp.BasicAuth{Username: l.user, Password: l.password}
	}
	return githttp.NewClient(client).NewUploadPackSession(l.endpoint, auth)
}

// trusting returns a client that trusts the certificates of the file, which
// is read at each use so that a renewed one works.
func (c *webClient) trusting(caFile string, confined bool) (*http.Client, error) {
	var ca []byte
	if caFile != "" {
		var err error
		if ca, err = readSmall(caFile); err != nil {
			return nil, fmt.Errorf("read the repository's ca_file: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil && c.ca == string(ca) && c.confined == confined {
		return c.client, nil
	}

	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		base = &http.Transport{Proxy: http.ProxyFromEnvironment}
	}
	t := base.Clone()
	if len(ca) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("the repository's ca_file %s holds no PEM certificate", caFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c.close()
	c.ca, c.confined, c.client = string(ca), confined, &http.Client{Transport: bounded{t}}
	if confined {
		c.client.CheckRedirect = stayAtServer
	}
	return c.client, nil
}

var errRedirected = errors.New("the server redirects to another one, which is not followed")

// stayAtServer keeps a server from sending what asks it to another one.
func stayAtServer(req *http.Request, via []*http.Request) error {
	if first := via[0].URL; req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return errRedirected
	}
	return nil
}

func (c *webClient) close() {
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
}

// Limits of what is read into memory at once. Packs go to disk, with a limit of their own.
const (
	maxRefs  = 64 << 20 // the list of all branches and tags
	maxError = 64 << 10 // what a server says with an error
)

// bounded limits the answers that go-git reads into memory.
type bounded struct{ *http.Transport }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode != http.StatusOK:
		res.Body = limitedBody{io.LimitReader(res.Body, maxError), res.Body}
	case strings.HasSuffix(req.URL.Path, "/info/refs"):
		res.Body = limitedBody{io.LimitReader(res.Body, maxRefs), res.Body}
	}
	return res, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}
