// Package traefik owns the reading of what Traefik, versions 2 and 3, reads and
// writes: its static options from a file, the command line or the environment,
// the routers that labels describe, its storage of certificates, and its log.
// It looks at nothing outside of what it is given.
package traefik

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// DefaultCA is the ACME directory of a resolver that names none.
const DefaultCA = "https://acme-v02.api.letsencrypt.org/directory"

// A Static is Traefik's static configuration, of version 2 or 3.
type Static struct {
	EntryPoints map[string]EntryPoint
	Resolvers   map[string]Resolver
	Providers   []string // lower case, sorted
	Unknown     []string // keys of the top level that Traefik does not know
	Renamed     []Rename // what version 3 does not take any more

	// HideByDefault says that only containers with traefik.enable=true are routed.
	HideByDefault bool
	// DefaultRule is the rule of routers without one; a template.
	DefaultRule string
	// SkipVerify says that certificates of the services behind are not looked at.
	SkipVerify bool

	folded bool // names came from where case does not count
}

// An EntryPoint is an address that Traefik listens on.
type EntryPoint struct {
	Address     string // host:port, or host:port/udp
	TLS         bool   // of every router on it
	Resolver    string // of every router on it
	Middlewares []string
	RedirectTo  string // the entry point that all requests are sent to
}

// Port is the number that the entry point listens on, in the container.
func (e EntryPoint) Port() string {
	address, _, _ := strings.Cut(e.Address, "/")
	return address[strings.LastIndexByte(address, ':')+1:]
}

// A Challenge is a way to prove to a CA that a name is ours.
type Challenge string

const (
	HTTPChallenge Challenge = "httpChallenge"
	TLSChallenge  Challenge = "tlsChallenge"
	DNSChallenge  Challenge = "dnsChallenge"
)

// A Resolver makes certificates.
type Resolver struct {
	ACME       bool // else Tailscale
	Email      string
	Storage    string // path in Traefik's container
	CAServer   string // directory URL; empty: DefaultCA
	Challenges []Challenge
	EntryPoint string // of the HTTP challenge
}

// Staging reports whether the CA is one whose certificates nobody trusts.
func (r Resolver) Staging() bool { return strings.Contains(strings.ToLower(r.CAServer), "staging") }

// EntryPoint returns the entry point of that name.
func (s *Static) EntryPoint(name string) (EntryPoint, bool) {
	return lookup(s.EntryPoints, name, s.folded)
}

// Resolver returns the certificate resolver of that name.
func (s *Static) Resolver(name string) (Resolver, bool) { return lookup(s.Resolvers, name, s.folded) }

// HasProvider reports whether configuration comes from a provider, as "file".
func (s *Static) HasProvider(name string) bool {
	return slices.Contains(s.Providers, strings.ToLower(name))
}

func lookup[V any](m map[string]V, name string, folded bool) (V, bool) {
	if v, ok := m[name]; ok || !folded {
		return v, ok
	}
	for key, v := range m {
		if strings.EqualFold(key, name) {
			return v, true
		}
	}
	var none V
	return none, false
}

// ReadFile reads a static configuration in YAML. The error shows the line.
func ReadFile(data []byte) (*Static, error) {
	var raw any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	switch root := branch(raw).(type) {
	case tree:
		return read(root, false), nil
	case nil:
		return nil, errors.New("it is empty")
	default:
		return nil, fmt.Errorf("it is no table of options")
	}
}

// ReadArgs reads the options of a command line, as --api.insecure=true. The
// path that --configfile names comes back as file.
func ReadArgs(args []string) (s *Static, file string) {
	root := tree{}
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "-")
		if !isFlag {
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		switch {
		case given:
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			i++
			value = args[i]
		default:
			value = "true"
		}
		if strings.EqualFold(name, "configfile") {
			file = value
			continue
		}
		if name != "" {
			root.put(strings.Split(name, "."), value)
		}
	}
	if len(root) == 0 {
		return nil, file
	}
	return read(root, true), file
}

// ReadEnv reads the options of an environment, as TRAEFIK_API_INSECURE=true;
// nil where there is none.
func ReadEnv(env map[string]string) *Static {
	root := tree{}
	for name, value := range env {
		if rest, ok := strings.CutPrefix(strings.ToUpper(name), "TRAEFIK_"); ok && rest != "" && rest != "CONFIGFILE" {
			root.put(strings.Split(strings.ToLower(rest), "_"), value)
		}
	}
	if len(root) == 0 {
		return nil
	}
	return read(root, true)
}

func read(root tree, folded bool) *Static {
	s := &Static{
		EntryPoints: map[string]EntryPoint{}, Resolvers: map[string]Resolver{}, folded: folded,
		HideByDefault: strings.EqualFold(root.text("providers", "docker", "exposedByDefault"), "false"),
		DefaultRule:   root.text("providers", "docker", "defaultRule"),
		SkipVerify:    root.on("serversTransport", "insecureSkipVerify"),
	}
	for _, name := range root.names() {
		if !slices.Contains(topLevel, strings.ToLower(name)) {
			s.Unknown = append(s.Unknown, name)
		}
	}
	points := root.sub("entryPoints")
	for _, name := range points.names() {
		s.EntryPoints[name] = EntryPoint{
			Address: points.text(name, "address"),
			TLS:     points.on(name, "http", "tls"), Resolver: points.text(name, "http", "tls", "certResolver"),
			Middlewares: points.words(name, "http", "middlewares"),
			RedirectTo:  points.text(name, "http", "redirections", "entryPoint", "to"),
		}
	}
	resolvers := root.sub("certificatesResolvers")
	for _, name := range resolvers.names() {
		s.Resolvers[name] = readResolver(resolvers, name)
	}
	for _, name := range root.sub("providers").names() {
		if root.sub("providers", name) != nil || root.on("providers", name) {
			s.Providers = append(s.Providers, strings.ToLower(name))
		}
	}
	s.Renamed = renamedStatic(root)
	return s
}

func readResolver(resolvers tree, name string) Resolver {
	acme := resolvers.sub(name, "acme")
	r := Resolver{
		ACME: acme != nil, Email: acme.text("email"), Storage: acme.text("storage"),
		CAServer: acme.text("caServer"), EntryPoint: acme.text("httpChallenge", "entryPoint"),
	}
	if r.ACME && r.Storage == "" {
		r.Storage = "acme.json" // Traefik's own default, in its working folder
	}
	for _, c := range []Challenge{HTTPChallenge, TLSChallenge, DNSChallenge} {
		if acme.on(string(c)) {
			r.Challenges = append(r.Challenges, c)
		}
	}
	return r
}

// topLevel are the keys of versions 2 and 3, in lower case.
var topLevel = []string{
	"accesslog", "api", "certificatesresolvers", "core", "entrypoints", "experimental", "global", "hostresolver",
	"hub", "log", "metrics", "ocsp", "pilot", "ping", "providers", "serverstransport", "spiffe", "tcpserverstransport", "tracing",
}
