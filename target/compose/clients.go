package compose

import (
	"fmt"
	"net/url"

	"github.com/docker/docker/client"
	mobyclient "github.com/moby/moby/client"
)

const userAgent = "deployer"

// newClients returns two clients of one Engine, alike but for their types:
// this package's own, and the one that the Compose library asks for. Neither
// connects before its first call.
func newClients(o Options) (engine *client.Client, theirs *mobyclient.Client, err error) {
	tls, err := wantsTLS(o)
	if err != nil {
		return nil, nil, err
	}
	ours := []client.Opt{client.WithHost(o.Host), client.WithUserAgent(userAgent), client.WithAPIVersionNegotiation()}
	library := []mobyclient.Opt{mobyclient.WithHost(o.Host), mobyclient.WithUserAgent(userAgent)} // it always negotiates
	if tls {
		ours = append(ours, client.WithTLSClientConfig(o.CAFile, o.CertFile, o.KeyFile))
		library = append(library, mobyclient.WithTLSClientConfig(o.CAFile, o.CertFile, o.KeyFile))
	}
	engine, err = client.NewClientWithOpts(ours...)
	if err != nil {
		return nil, nil, fmt.Errorf("docker host %s: %w", o.Host, err)
	}
	theirs, err = mobyclient.New(library...)
	if err != nil {
		return nil, nil, fmt.Errorf("docker host %s: %w", o.Host, err)
	}
	return engine, theirs, nil
}

// wantsTLS refuses options that name no Engine that can be talked to.
func wantsTLS(o Options) (bool, error) {
	u, err := url.Parse(o.Host)
	if err != nil {
		return false, fmt.Errorf("docker host %q: %w", o.Host, err)
	}
	tls := o.CAFile != "" || o.CertFile != "" || o.KeyFile != ""
	switch {
	case u.Scheme == "ssh":
		return false, fmt.Errorf("docker host %s: ssh is not supported yet; use tcp:// with TLS, or run deployer on that host", o.Host)
	case u.Scheme != "unix" && u.Scheme != "tcp":
		return false, fmt.Errorf("docker host %q: want unix:///path/of/socket or tcp://host:port", o.Host)
	case tls && u.Scheme == "unix":
		return false, fmt.Errorf("docker host %s: a unix socket takes no TLS files", o.Host)
	case tls && (o.CAFile == "" || o.CertFile == "" || o.KeyFile == ""):
		return false, fmt.Errorf("docker host %s: TLS needs a CA file, a certificate file and a key file", o.Host)
	}
	return tls, nil
}
