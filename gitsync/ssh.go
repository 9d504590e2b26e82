package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

var (
	errSSHAuth = errors.New("the ssh server refused the key")
	errHostKey = errors.New("the ssh server's host key is not accepted")
)

// An sshSession runs git-upload-pack over SSH. Unlike go-git's, all of it ends
// with the context, the handshake too, and no user's SSH configuration or
// agent is asked.
type sshSession struct {
	client  *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	errs    *head
	stop    func() bool
}

func newSSHSession(ctx context.Context, r Remote, l login) (transport.UploadPackSession, error) {
	config, address, err := sshConfig(r, l)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		stop()
		conn.Close()
		if strings.Contains(err.Error(), "unable to authenticate") {
			err = fmt.Errorf("%w: %w", errSSHAuth, err)
		}
		return nil, err
	}
	s := &sshSession{client: ssh.NewClient(c, channels, requests), errs: new(head), stop: stop}
	if err := s.start("git-upload-pack " + shellQuote(l.endpoint.Path)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// sshConfig reads the key and the known hosts.
func sshConfig(r Remote, l login) (*ssh.ClientConfig, string, error) {
	if r.SSHKeyFile == "" || r.KnownHostsFile == "" {
		return nil, "", fmt.Errorf("%w: an ssh url needs ssh_key_file and known_hosts_file", errSSHAuth)
	}
	pem, err := readSmall(r.SSHKeyFile)
	if err != nil {
		return nil, "", fmt.Errorf("read the ssh key: %w", err)
	}
	var key ssh.Signer
	if l.password != "" {
		key, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(l.password))
	} else {
		key, err = ssh.ParsePrivateKey(pem)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", errSSHAuth, r.SSHKeyFile, err)
	}
	hosts, err := gitssh.NewKnownHostsDb(r.KnownHostsFile)
	if err != nil {
		return nil, "", fmt.Errorf("%w: read %s: %w", errHostKey, r.KnownHostsFile, err)
	}
	port := l.endpoint.Port
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	address := net.JoinHostPort(strings.Trim(l.endpoint.Host, "[]"), strconv.Itoa(port))
	return &ssh.ClientConfig{
		User:              l.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback:   explainHostKey(hosts.HostKeyCallback(), r.KnownHostsFile),
		HostKeyAlgorithms: hosts.HostKeyAlgorithms(address),
	}, address, nil
}

// A hostKeyError says which host is not trusted.
type hostKeyError struct{ text, hint string }

func (e *hostKeyError) Error() string { return errHostKey.Error() + ": " + e.text }

// explainHostKey tells a changed host key from an unknown host.
func explainHostKey(check ssh.HostKeyCallback, file string) ssh.HostKeyCallback {
	return func(host string, addr net.Addr, key ssh.PublicKey) error {
		err := check(host, addr, key)
		var mismatch *knownhosts.KeyError
		switch fp := ssh.FingerprintSHA256(key); {
		case err == nil:
			return nil
		case errors.As(err, &mismatch) && len(mismatch.Want) > 0:
			return &hostKeyError{
				text: fmt.Sprintf("the host key of %s has changed to %s, which is not the one in %s", host, fp, file),
				hint: "somebody may be in between: ask the server's owner before you replace it",
			}
		case errors.As(err, &mismatch):
			return &hostKeyError{
				text: fmt.Sprintf("%s is not in %s", host, file),
				hint: fmt.Sprintf("check that %s is its key, then add it with ssh-keyscan", fp),
			}
		default:
			return fmt.Errorf("%w: %w", errHostKey, err)
		}
	}
}

func (s *sshSession) start(command string) error {
	session, err := s.client.NewSession()
	if err != nil {
		return err
	}
	s.session = session
	if s.in, err = session.StdinPipe(); err != nil {
		return err
	}
	if s.out, err = session.StdoutPipe(); err != nil {
		return err
	}
	session.Stderr = s.errs
	return session.Start(command)
}

// AdvertisedReferences implements transport.Session.
func (s *sshSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext implements transport.Session; the session's own
// context ends it.
func (s *sshSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	refs := packp.NewAdvRefs()
	err := refs.Decode(io.LimitReader(s.out, maxRefs))
	switch {
	case errors.Is(err, packp.ErrEmptyAdvRefs), err == nil && refs.IsEmpty():
		return nil, transport.ErrEmptyRemoteRepository
	case errors.Is(err, packp.ErrEmptyInput):
		_ = s.session.Wait() // until what it said on stderr is here
		if said := s.errs.String(); said != "" {
			return nil, fmt.Errorf("%w: %s", transport.ErrRepositoryNotFound, said)
		}
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	return refs, nil
}

// UploadPack implements transport.UploadPackSession.
func (s *sshSession) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	if err := req.UploadRequest.Encode(s.in); err != nil {
		return nil, err
	}
	if err := req.UploadHaves.Encode(s.in, false); err != nil {
		return nil, err
	}
	if err := pktline.NewEncoder(s.in).EncodeString("done\n"); err != nil {
		return nil, err
	}
	if err := s.in.Close(); err != nil {
		return nil, err
	}
	res := packp.NewUploadPackResponse(req)
	return res, res.Decode(io.NopCloser(s.out))
}

// Close ends the session and its connection.
func (s *sshSession) Close() error {
	s.stop()
	return s.client.Close()
}

// shellQuote quotes a path for the shell at the other end, as git does.
func shellQuote(path string) string {
	return "'" + strings.NewReplacer(`'`, `'\''`, `!`, `'\!'`).Replace(path) + "'"
}

// A head keeps the beginning of what a server writes to stderr.
type head struct {
	mu   sync.Mutex
	text []byte
}

func (t *head) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[:min(len(p), 1024-min(1024, len(t.text)))]...)
	return len(p), nil
}

func (t *head) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
