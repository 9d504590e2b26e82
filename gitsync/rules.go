package gitsync

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Submodules says which submodules of a repository may be fetched. Their URLs
// are in the repository itself, whose writers may not choose what the server
// talks to, or with which credentials.
type Submodules struct {
	Off  bool
	From []string // URLs that they must be at or below; none: the scheme, host and port of the repository
	// Lend are the server's other repositories: one that From lists gives a
	// submodule with its URL its credentials.
	Lend []Remote
}

var errOff = errors.New("submodules are off for this repository")

// submodule says how to fetch a submodule, or why that is not allowed. The
// repository's own credentials go to its own server only.
func (r Remote) submodule(to address) (Remote, error) {
	own, err := parseAddress(r.URL)
	if err != nil {
		return Remote{}, fmt.Errorf("the repository's own url: %w", err)
	}
	if err := r.allows(own, to); err != nil {
		return Remote{}, err
	}
	out := Remote{URL: to.String(), confined: true}
	if len(r.Submodules.From) > 0 {
		for _, other := range r.Submodules.Lend {
			if at, err := parseAddress(other.URL); err == nil && at.same(to) {
				out.lent(other)
				out.explicit = true
				return out, nil
			}
		}
	}
	if own.origin(to) {
		out.lent(r)
	}
	if to.scheme == "ssh" && out.SSHKeyFile == "" {
		return Remote{}, &opError{text: "no ssh key is configured for it", hint: lendHint(to), kinds: []error{ErrAuth}}
	}
	return out, nil
}

func (r *Remote) lent(by Remote) {
	r.Username, r.Password, r.CAFile = by.Username, by.Password, by.CAFile
	r.SSHKeyFile, r.KnownHostsFile = by.SSHKeyFile, by.KnownHostsFile
}

func (r Remote) allows(own, to address) error {
	rules := r.Submodules
	if rules.Off {
		return &opError{text: errOff.Error(), kinds: []error{ErrNotAllowed},
			hint: "take `submodules: off` out of the repository's entry in deployer.yaml, or copy the files into the repository"}
	}
	if to.scheme == "file" && own.scheme != "file" {
		return &opError{text: "a repository on a server cannot have a submodule on this machine", kinds: []error{ErrNotAllowed},
			hint: "give it a url that is on a Git server in .gitmodules"}
	}
	for _, prefix := range rules.From {
		if at, err := parseAddress(prefix); err == nil && to.within(at) {
			return nil
		}
	}
	if len(rules.From) > 0 {
		return &opError{text: "submodules lists no url that it is at or below", kinds: []error{ErrNotAllowed},
			hint: "where it may be fetched, add " + to.folder() + " to the repository's submodules in deployer.yaml"}
	}
	if own.origin(to) && (own.scheme != "file" || to.within(address{scheme: "file", path: path.Dir(own.path)})) {
		return nil
	}
	what := "it is on another server than the repository"
	if own.scheme == to.scheme && own.scheme == "file" {
		what = "it is not in the folder beside the repository"
	}
	return &opError{text: what, kinds: []error{ErrNotAllowed},
		hint: fmt.Sprintf("where it may be fetched, give the repository submodules: [%s, %s] in deployer.yaml; what is listed takes the place of the default", own.server(), to.folder())}
}

// folder is what of an address can be listed to allow it and its neighbours.
func (a address) folder() string {
	a.path = path.Dir(a.path)
	return strings.TrimSuffix(a.whole(), "/") + "/"
}

// server is what can be listed to allow all that is allowed by default.
func (a address) server() string {
	if a.scheme == "file" {
		return a.folder()
	}
	a.path = "/"
	return a.whole()
}

// whole is the address in its long form, which can name a server's root.
func (a address) whole() string {
	a.scp = false
	return a.String()
}

func lendHint(to address) string {
	return fmt.Sprintf("give %s an entry of its own under repositories, with its auth, and list it under this repository's submodules", to)
}
