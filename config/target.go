package config

import (
	"net/url"
	"path"
	"strings"
)

const defaultDocker = "unix:///var/run/docker.sock"

// A Target is where a stack runs: on an Engine, on a Swarm, or on several hosts.
type Target struct {
	Docker   string      `yaml:"docker"` // the Engine: unix, tcp or ssh
	CAFile   File        `yaml:"ca_file"`
	CertFile File        `yaml:"cert_file"`
	KeyFile  PrivateFile `yaml:"key_file"`

	Swarm string `yaml:"swarm"` // a manager's Engine

	Hosts    []string `yaml:"hosts"`    // Engines that run the same release
	Canary   int      `yaml:"canary"`   // hosts that go first
	Parallel int      `yaml:"parallel"` // hosts at a time
}

func (t *Target) complete() {
	if t.Docker == "" && t.Swarm == "" && len(t.Hosts) == 0 {
		t.Docker = defaultDocker
	}
}

// engines names the Engines of a target, so that two spellings of one are equal.
func (t *Target) engines() []string {
	var out []string
	for _, engine := range append([]string{t.Docker, t.Swarm}, t.Hosts...) {
		if engine == "" {
			continue
		}
		if socket, ok := strings.CutPrefix(engine, "unix://"); ok {
			// /var/run is a link to /run wherever Docker runs.
			engine = "unix://" + strings.Replace(path.Clean(socket), "/var/run/", "/run/", 1)
		}
		out = append(out, strings.TrimSuffix(engine, "/"))
	}
	return out
}

func (t *Target) validate(doc *document, at string) {
	kinds := 0
	for _, key := range []string{"docker", "swarm", "hosts"} {
		if doc.given(join(at, key)) {
			kinds++
		}
	}
	if kinds > 1 {
		doc.fail(at, "keep one of docker, swarm and hosts", "a stack has one target")
	}
	if t.Docker != "" {
		t.validateDocker(doc, at)
	}
	if t.Swarm != "" {
		validateEngine(doc, join(at, "swarm"), t.Swarm)
	}
	for i, host := range t.Hosts {
		validateEngine(doc, item(join(at, "hosts"), i), host)
	}
	t.validateRollout(doc, at)
}

func (t *Target) validateDocker(doc *document, at string) {
	scheme := validateEngine(doc, join(at, "docker"), t.Docker)
	certificate := t.CertFile != "" || t.KeyFile != ""
	switch {
	case scheme == "":
	case scheme != "tcp" && (certificate || t.CAFile != ""):
		doc.fail(at, "take ca_file, cert_file and key_file out", "certificates are for tcp:// Engines only")
	case scheme == "tcp" && certificate:
		doc.require(at, "cert_file", "TLS needs a certificate and its key")
		doc.require(at, "key_file", "TLS needs a certificate and its key")
	case scheme == "tcp" && t.CAFile == "":
		doc.warn(join(at, "docker"), "give ca_file, cert_file and key_file",
			"this Engine is reached without TLS: whoever can reach it too is root on its host")
	}
}

// validateRollout judges how a release goes to several hosts.
func (t *Target) validateRollout(doc *document, at string) {
	for key, n := range map[string]int{"canary": t.Canary, "parallel": t.Parallel} {
		switch path := join(at, key); {
		case !doc.given(path):
		case len(t.Hosts) == 0:
			doc.fail(path, "take it out", "this is for several hosts only")
		case n < 1 || n > len(t.Hosts):
			doc.fail(path, "", "%d is not between 1 and the %d hosts", n, len(t.Hosts))
		}
	}
}

// validateEngine returns the scheme of an Engine's address, empty where it is wrong.
func validateEngine(doc *document, at, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		u = &url.URL{}
	}
	_, password := u.User.Password()
	switch {
	case password:
		doc.fail(at, "take it out: SSH signs in with a key", "this address holds a password")
		return ""
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
	case u.Scheme == "tcp" && u.Hostname() != "" && isPort(u.Port()):
	case u.Scheme == "ssh" && u.Hostname() != "" && (u.Port() == "" || isPort(u.Port())):
	default:
		doc.fail(at, "write unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host", "this is not the address of a Docker Engine")
		return ""
	}
	return u.Scheme
}
