package gitsync

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
)

// A Remote says where a repository is and how to be let in.
type Remote struct {
	URL string // http(s)://, ssh://, user@host:path, file:// or an absolute path

	Username string     // for HTTP; "git" where there is only a password
	Password Credential // password or token for HTTP; passphrase of the key for SSH
	CAFile   string     // PEM certificates to trust for HTTPS besides the system's

	SSHKeyFile     string // private key for SSH
	KnownHostsFile string // the host keys to accept; others are an error

	Submodules Submodules

	confined bool // a redirect to another server is an error
	explicit bool // a submodule's: its credentials are lent by an entry of its own
}

// A Credential is read at each use, so that one that is rotated works without
// a restart.
type Credential struct {
	Read   func() (string, error) // nil: there is none
	Source string                 // where it comes from, such as a file's path; named in errors
}

// CredentialFile is a credential kept in a file, without the line's end.
func CredentialFile(path string) Credential {
	return Credential{Source: path, Read: func() (string, error) {
		data, err := readSmall(path)
		return strings.TrimRight(string(data), "\r\n"), err
	}}
}

// readSmall reads a file of credentials or certificates: at most 1 MiB.
func readSmall(path string) ([]byte, error) {
	const limit = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && len(data) > limit {
		err = fmt.Errorf("%s: %w: more than 1 MiB", path, ErrTooLarge)
	}
	return data, err
}

func (c Credential) value() (string, error) {
	if c.Read == nil {
		return "", nil
	}
	v, err := c.Read()
	if err != nil {
		return "", fmt.Errorf("read the password for the repository: %w", err)
	}
	return v, nil
}

// login is what a remote is approached with, once.
type login struct {
	endpoint       *transport.Endpoint
	user, password string
}

// login resolves the address and reads the credentials.
func (r Remote) login() (login, error) {
	ep, err := transport.NewEndpoint(r.URL)
	if err != nil {
		return login{}, errors.New("the repository's url cannot be parsed: " + StripUserInfo(r.URL))
	}
	switch ep.Protocol {
	case "http", "https", "ssh":
		if ep.Host == "" {
			return login{}, errors.New("the repository's url names no host: " + r.Address())
		}
	case "file":
		if !filepath.IsAbs(ep.Path) || !strings.Contains(r.URL, "://") && !filepath.IsAbs(r.URL) {
			return login{}, errors.New("the repository's path must be absolute: " + r.Address())
		}
	default:
		return login{}, fmt.Errorf("unsupported url %s: use https, http, ssh or file", r.Address())
	}

	l := login{endpoint: ep, user: r.Username, password: ep.Password}
	if l.user == "" {
		l.user = ep.User
	}
	if r.Password.Read != nil {
		if l.password, err = r.Password.value(); err != nil {
			return login{}, err
		}
	}
	if l.user == "" && (l.password != "" || ep.Protocol == "ssh") {
		l.user = "git"
	}
	ep.User, ep.Password = "", ""
	return l, nil
}

// Address is the remote's URL for people: without user and password.
func (r Remote) Address() string { return StripUserInfo(r.URL) }
