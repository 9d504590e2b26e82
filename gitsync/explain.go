package gitsync

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// explain turns an error of the transport into one for the operator: what
// happened at which address, and which file to look at.
func (r Remote) explain(ctx context.Context, l login, err error) error {
	var known *opError
	if err == nil || errors.As(err, &known) {
		return err
	}
	err = peel(err)
	if isFull(err) {
		text := fmt.Sprintf("%s: %s: in %s", r.Address(), ErrDiskFull, folderOf(err))
		return &opError{text: text, hint: fullHint, kinds: []error{ErrDiskFull}}
	}
	hint, kind := r.diagnose(l, err)
	kinds := []error{kind}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errStalled):
		kinds, err, hint = []error{ErrUnreachable}, cause, ""
	case cause != nil:
		kinds, err, hint = []error{ErrUnreachable, cause}, cause, ""
	}
	text := fmt.Sprintf("%s: %s", r.Address(), kinds[0])
	detail := strings.TrimPrefix(oneLine(scrub(err.Error(), l.user, l.password)), kinds[0].Error())
	if detail = strings.Trim(detail, ": "); detail != "" {
		text += ": " + detail
	}
	return &opError{text: text, hint: hint, kinds: kinds}
}

// diagnose classifies an error of the transport and says what to do about it.
func (r Remote) diagnose(l login, err error) (hint string, kind error) {
	var status *githttp.Err
	var key *hostKeyError
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed),
		errors.Is(err, errSSHAuth):
		return r.credentialHint(l), ErrAuth
	case errors.As(err, &key):
		return key.hint, ErrUntrusted
	case errors.Is(err, errHostKey):
		return "", ErrUntrusted
	case isCertificate(err):
		return r.caHint(), ErrUntrusted
	case errors.Is(err, errRedirected):
		return "write the url where it is now", ErrNotAllowed
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return "check its url, and that the credentials may read it: " + r.credentialHint(l), ErrNoRepository
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return "push a first commit", ErrBranchNotFound
	case errors.Is(err, ErrTooLarge):
		return "", ErrTooLarge
	case errors.As(err, &status):
		if code := status.StatusCode(); code >= 500 || code == 429 || code == 408 {
			return serverHint, ErrUnreachable
		}
		return "check that the url is a Git repository's", errProtocol
	case strings.Contains(err.Error(), "dubious ownership"):
		return "the folder belongs to another user: run git config --system --add safe.directory " + l.endpoint.Path, ErrAuth
	case errors.Is(err, fs.ErrPermission):
		return "check who may read that file", ErrAuth
	case isLocal(err):
		return "", errLocal
	case isNetwork(err):
		return serverHint, ErrUnreachable
	}
	return "", errProtocol
}

// peel takes off go-git's wrappers that do not unwrap.
func peel(err error) error {
	var unexpected *plumbing.UnexpectedError
	var permanent *plumbing.PermanentError
	switch {
	case errors.As(err, &unexpected):
		return unexpected.Err
	case errors.As(err, &permanent):
		return permanent.Err
	}
	return err
}

var (
	errProtocol = errors.New("the fetch failed")
	errLocal    = errors.New("the fetch failed on this machine")
)

const fullHint = "free space there; the next push, delivery or poll fetches again"

const serverHint = "see that the Git server answers this machine; the next delivery or poll tries again"

func (r Remote) credentialHint(l login) string {
	switch {
	case r.SSHKeyFile != "":
		return "check the key in " + r.SSHKeyFile
	case r.Password.Source != "":
		return "check the username and the password in " + r.Password.Source
	case r.Password.Read != nil:
		return "check the username and the password"
	case l.password != "":
		return "check the username and the password in the url"
	}
	return "no credentials are configured for it"
}

func (r Remote) caHint() string {
	if r.CAFile != "" {
		return "check the certificates in " + r.CAFile
	}
	return "give the certificate of its authority as ca_file"
}

func isCertificate(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}

func isNetwork(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()) || // go-git does not always wrap
		// The branch was moved between two rounds; the next try sees where to.
		strings.Contains(err.Error(), "not our ref")
}

// isFull reports whether a disk or a quota was exhausted.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// folderOf names the folder that an error of the file system is about.
func folderOf(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return filepath.Dir(path.Path)
	case errors.As(err, &link):
		return filepath.Dir(link.New)
	}
	return "the mirror's folder"
}

// isLocal tells a failing disk or a missing file from a failing network.
func isLocal(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link)
}
