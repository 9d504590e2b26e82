package gitsync

import (
	"errors"
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// An address is a repository's URL taken apart, so that two can be compared.
// What is fetched from is put together from it again: another parser cannot
// read another server into the same text.
type address struct {
	scheme string // http, https, ssh or file
	user   string // ssh only
	host   string // small letters; empty for file
	port   string // always there but for file
	path   string // clean, from the root
	scp    bool   // user@host:path: the path starts at the user's home
}

// scpForm is the short form of an SSH address. A colon in the path would be
// the end of a port to others.
var scpForm = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([^\s:/-][^\s:]*)$`)

var (
	plainUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	plainHost = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:.]+)$`)
)

var defaultPorts = map[string]string{"http": "80", "https": "443", "ssh": "22", "file": ""}

// What is wrong with an address; the address itself may hold a password.
var (
	errAddressForm        = errors.New("its url is not one of https://, http://, ssh://, user@host:path or file:///path")
	errAddressCredentials = errors.New("its url holds credentials, a query or a fragment")
	errAddressPath        = errors.New("its url has a path that can be read in more than one way")
)

// parseAddress takes a URL apart, and refuses what is not plainly one.
func parseAddress(text string) (address, error) {
	if strings.HasPrefix(text, "-") || strings.ContainsFunc(text, isControlOrSpace) || strings.Contains(text, `\`) {
		return address{}, errAddressForm
	}
	if m := scpForm.FindStringSubmatch(text); m != nil && !strings.Contains(text, "://") {
		a := address{scheme: "ssh", user: m[1], host: strings.ToLower(m[2]), port: "22", path: "/" + m[3], scp: true}
		return a.cleaned(a.path)
	}
	if path.IsAbs(text) {
		text = "file://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return address{}, errAddressForm
	}
	a := address{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: u.Port()}
	port, known := defaultPorts[a.scheme]
	if !known || (a.scheme == "file") != (u.Host == "") || a.host != "" && !plainHost.MatchString(a.host) {
		return address{}, errAddressForm
	}
	if a.port == "" {
		a.port = port
	}
	_, password := u.User.Password()
	if password || u.User != nil && a.scheme != "ssh" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return address{}, errAddressCredentials
	}
	if a.scheme == "ssh" {
		if a.user = u.User.Username(); a.user == "" {
			a.user = "git"
		}
		if !plainUser.MatchString(a.user) {
			return address{}, errAddressForm
		}
	}
	if u.RawPath != "" { // something is escaped that need not be
		return address{}, errAddressPath
	}
	return a.cleaned(u.Path)
}

// cleaned gives the address its path, where it says plainly what it means.
func (a address) cleaned(p string) (address, error) {
	p = strings.TrimRight(p, "/")
	if p == "" {
		p = "/"
	}
	if path.Clean(p) != p || !path.IsAbs(p) || strings.Contains(p, "/-") || strings.ContainsFunc(p, isControlOrSpace) || strings.ContainsAny(p, `\?#%`) {
		return address{}, errAddressPath
	}
	a.path = p
	return a, nil
}

func (a address) String() string {
	switch {
	case a.scp:
		return a.user + "@" + a.host + ":" + strings.TrimPrefix(a.path, "/")
	case a.scheme == "file":
		return "file://" + a.path
	}
	host := a.host
	switch {
	case a.port != defaultPorts[a.scheme]:
		host = net.JoinHostPort(a.host, a.port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	if a.scheme == "ssh" {
		host = a.user + "@" + host
	}
	return a.scheme + "://" + host + a.path
}

var errLeavesServer = errors.New("its url has more .. than folders, and leads out of the server")

// resolve is what the url of a submodule means in a repository at a.
func (a address) resolve(text string) (address, error) {
	if !strings.HasPrefix(text, "./") && !strings.HasPrefix(text, "../") {
		return parseAddress(text)
	}
	at := a.path
	for {
		if rest, ok := strings.CutPrefix(text, "./"); ok {
			text = rest
		} else if rest, ok := strings.CutPrefix(text, "../"); ok {
			if at == "/" {
				return address{}, errLeavesServer
			}
			at, text = path.Dir(at), rest
		} else {
			break
		}
	}
	out := a
	out.path = strings.TrimSuffix(at, "/") + "/" + text
	return parseAddress(out.String())
}

// origin reports whether both are on one server, and the same user's there.
func (a address) origin(b address) bool {
	return a.scheme == b.scheme && a.user == b.user && a.host == b.host && a.port == b.port
}

// within reports whether the address is the given one or below it.
func (a address) within(prefix address) bool {
	p, top := bare(a.path), bare(prefix.path)
	return a.origin(prefix) && (p == top || strings.HasPrefix(p, strings.TrimSuffix(top, "/")+"/"))
}

// same reports whether both are one repository, which can be named with .git
// at its end or without.
func (a address) same(b address) bool { return a.origin(b) && bare(a.path) == bare(b.path) }

func bare(p string) string { return strings.TrimSuffix(p, ".git") }
