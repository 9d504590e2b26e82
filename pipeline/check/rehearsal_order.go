package check

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/acme"

	"deployer/pipeline/check/traefik"
)

// An acmeOrder is a certificate that a CA was asked for, with what it wants
// to see.
type acmeOrder struct {
	client   *acme.Client
	order    *acme.Order
	wanted   []wantedProof
	pages    map[string]string          // path → body, for HTTP-01
	handover map[string]tls.Certificate // name → certificate, for TLS-ALPN-01
}

// A wantedProof is a challenge that the CA waits for.
type wantedProof struct {
	name, authorization string
	challenge           *acme.Challenge
}

// order makes an account of the moment and orders the certificate. Nothing
// has to be held for it.
func (c *rehearsalCheck) order(ctx context.Context, client *http.Client, t trial) (*acmeOrder, Result) {
	directory := c.Directory.plain
	if directory == "" {
		directory = stagingCA
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, failed("cannot make a key: "+err.Error(), "try again")
	}
	o := &acmeOrder{
		client: &acme.Client{Key: key, DirectoryURL: directory, HTTPClient: client, UserAgent: "deployer", RetryBackoff: retryFew},
		pages:  map[string]string{}, handover: map[string]tls.Certificate{},
	}
	account := &acme.Account{}
	if t.email != "" {
		account.Contact = []string{"mailto:" + t.email}
	}
	if _, err := o.client.Register(ctx, account, acme.AcceptTOS); err != nil {
		return nil, refused("registering with "+directory, err)
	}
	if o.order, err = o.client.AuthorizeOrder(ctx, acme.DomainIDs(t.names...)); err != nil {
		return nil, refused("ordering a certificate for "+strings.Join(t.names, ", "), err)
	}
	for _, url := range o.order.AuthzURLs {
		if err := o.want(ctx, url, t.challenge); err != nil {
			return nil, refused("preparing the proof", err)
		}
	}
	return o, Result{}
}

// retryFew keeps a CA that is down from holding a deploy for long.
func retryFew(n int, _ *http.Request, _ *http.Response) time.Duration {
	if n > 3 {
		return -1
	}
	return time.Duration(n) * time.Second
}

// want prepares the proof of one name.
func (o *acmeOrder) want(ctx context.Context, url string, kind traefik.Challenge) error {
	z, err := o.client.GetAuthorization(ctx, url)
	if err != nil || z.Status == acme.StatusValid {
		return err
	}
	name := map[traefik.Challenge]string{traefik.HTTPChallenge: "http-01", traefik.TLSChallenge: "tls-alpn-01"}[kind]
	for _, ch := range z.Challenges {
		if ch.Type != name {
			continue
		}
		o.wanted = append(o.wanted, wantedProof{z.Identifier.Value, url, ch})
		if kind == traefik.HTTPChallenge {
			o.pages[o.client.HTTP01ChallengePath(ch.Token)], err = o.client.HTTP01ChallengeResponse(ch.Token)
			return err
		}
		o.handover[z.Identifier.Value], err = o.client.TLSALPN01ChallengeCert(ch.Token, z.Identifier.Value)
		return err
	}
	return fmt.Errorf("the CA does not offer %s for %s", name, z.Identifier.Value)
}

// prove listens on the port while the CA looks.
func (o *acmeOrder) prove(ctx context.Context, t trial) Result {
	l, err := listenSoon(ctx, t.address)
	if err != nil {
		return failed(fmt.Sprintf("cannot listen on port %s: %s", t.port(), reason(err)), "see what holds it (ss -ltnp); the check `ports` names it")
	}
	server := o.server(t.challenge)
	defer server.Close()
	go func() {
		if server.TLSConfig != nil {
			_ = server.ServeTLS(l, "", "")
		} else {
			_ = server.Serve(l)
		}
	}()
	for _, proof := range o.wanted {
		if _, err := o.client.Accept(ctx, proof.challenge); err != nil {
			return refused("asking the CA to look at "+proof.name, err)
		}
	}
	var r report
	for _, proof := range o.wanted {
		if _, err := o.client.WaitAuthorization(ctx, proof.authorization); err != nil {
			problem := refused(proof.name, err)
			r.fail(problem.Message, problem.Hint)
		}
	}
	if len(r.failures) > 0 {
		return r.result("")
	}
	return Result{}
}

// server answers the CA, and nobody else.
func (o *acmeOrder) server(kind traefik.Challenge) *http.Server {
	if kind == traefik.HTTPChallenge {
		return &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page, ok := o.pages[r.URL.Path]
			if !ok {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write([]byte(page))
		})}
	}
	return &http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: silentLog, TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{acme.ALPNProto},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, ok := o.handover[strings.ToLower(hello.ServerName)]
			if !ok {
				return nil, errors.New("not a name of this rehearsal")
			}
			return &pair, nil
		},
	}}
}

// collect fetches the certificate, which is what CAA and the CA's own limits
// have a say in, and names its issuer.
func (o *acmeOrder) collect(ctx context.Context, t trial) (issuer string, problem Result) {
	if _, err := o.client.WaitOrder(ctx, o.order.URI); err != nil {
		return "", refused("waiting for the certificate", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", failed("cannot make a key: "+err.Error(), "try again")
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: t.names}, key)
	if err != nil {
		return "", failed("cannot ask for a certificate: "+err.Error(), "see the names in `hosts` or in the labels")
	}
	chain, err := o.certificate(ctx, request)
	if err != nil {
		return "", refused("asking for the certificate", err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return "", failed("the CA's certificate cannot be read: "+err.Error(), "see that `directory` is an ACME directory")
	}
	return excerpt(leaf.Issuer.CommonName, 100), Result{}
}

// certificate fetches what the order gives. The library looks for a CA that
// takes its time at the address that its answer names, and not every CA names
// one: the order's own is known.
func (o *acmeOrder) certificate(ctx context.Context, request []byte) ([][]byte, error) {
	chain, _, err := o.client.CreateOrderCert(ctx, o.order.FinalizeURL, request, false)
	var problem *acme.Error
	var failed *acme.OrderError
	if err == nil || errors.As(err, &problem) || errors.As(err, &failed) || ctx.Err() != nil {
		return chain, err
	}
	order, err := o.client.WaitOrder(ctx, o.order.URI)
	if err != nil {
		return nil, err
	}
	return o.client.FetchCert(ctx, order.CertURL, false)
}

// mayListen reports whether the process may listen there at all, whoever holds it.
func mayListen(address string) bool {
	l, err := net.Listen("tcp", address)
	if err == nil {
		_ = l.Close()
	}
	return !errors.Is(err, syscall.EACCES)
}

// listenSoon listens where a container has just made room.
func listenSoon(ctx context.Context, address string) (net.Listener, error) {
	for deadline := time.Now().Add(5 * time.Second); ; {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			return l, err
		}
		sleep(ctx, 50*time.Millisecond)
	}
}
