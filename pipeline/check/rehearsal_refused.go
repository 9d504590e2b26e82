package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"golang.org/x/crypto/acme"

	"deployer/state"
)

var silentLog = log.New(io.Discard, "", 0)

// refused makes a result of an error of the CA. What is the CA's own trouble
// proves nothing of this server, and only warns.
func refused(doing string, err error) Result {
	var authorization *acme.AuthorizationError
	if errors.As(err, &authorization) && len(authorization.Errors) > 0 {
		err = authorization.Errors[0]
	}
	var order *acme.OrderError
	if errors.As(err, &order) && order.Problem != nil {
		err = order.Problem
	}
	var problem *acme.Error
	if !errors.As(err, &problem) {
		if errors.Is(err, context.Canceled) {
			return failed("canceled", "")
		}
		what, hint := explain(err, 30*time.Second)
		return warned(fmt.Sprintf("not proven: %s: %s", doing, what), hint+"; see also `directory` and that this server reaches the CA")
	}
	kind := problem.ProblemType[strings.LastIndexByte(problem.ProblemType, ':')+1:]
	if strings.Contains(problem.Detail, "onnect to ") {
		kind = "connection" // some say only unauthorized
	}
	message := fmt.Sprintf("%s: the CA says %s: %s", doing, kind, excerpt(problem.Detail, 300))
	switch hint, ours := caHints[kind]; {
	case ours:
		return failed(message, hint)
	case problem.StatusCode >= 500 || kind == "rateLimited" || kind == "serverInternal" || kind == "badNonce" || kind == "externalAccountRequired":
		return Result{Status: state.StepWarned, Message: "not proven: " + message, Hint: "this says nothing of the server; try again later, or name another `directory`"}
	}
	return failed(message, "correct what the CA names, before the real one is asked")
}

// caHints are what can be done about the problems that ACME knows (RFC 8555, 6.7).
var caHints = map[string]string{
	"dns":                "the CA does not find the name: set its DNS records, and wait until they are everywhere; the check `dns` shows who says what",
	"connection":         "the CA does not reach the port from outside: open it in the firewall and hand it on to this server; see that A and AAAA both point here",
	"caa":                "a CAA record forbids this CA: add one that allows it; the check `dns` with `ca` shows which",
	"unauthorized":       "something else answers at the name's address: see that A and AAAA point to this server and that nothing stands in front of it",
	"incorrectResponse":  "something else answers at the name's address: see that A and AAAA point to this server and that nothing stands in front of it",
	"tls":                "something on the way ends TLS before this server: hand port 443 through as it is, or use an httpChallenge",
	"rejectedIdentifier": "the CA gives no certificate for this name: use one of a public domain of your own",
	"malformed":          "see that the names and the e-mail are right",
	"invalidContact":     "give the resolver an e-mail that exists",
	"unsupportedContact": "give the resolver an e-mail that exists",
}

// certificateOf is the certificate that the address serves for a name, if it
// is valid for it now.
func (w *World) certificateOf(ctx context.Context, address, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := w.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	config := w.tls()
	config.ServerName, config.InsecureSkipVerify = name, false
	if roots != nil {
		config.RootCAs = roots
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure.ConnectionState().PeerCertificates[0], nil
}
