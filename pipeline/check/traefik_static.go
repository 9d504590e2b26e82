package check

import (
	"fmt"
	"net/mail"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"deployer/pipeline/check/traefik"
	"deployer/project"
)

// judgeStatic looks at the static configuration by itself.
func (p *proxy) judgeStatic() {
	for _, key := range p.static.Unknown {
		hint := "correct or remove it: Traefik does not start with it"
		if slices.Contains([]string{"http", "tcp", "udp", "tls"}, strings.ToLower(key)) {
			hint = "move it into a file of providers.file: routers and services are dynamic configuration"
		}
		p.fail(fmt.Sprintf("%s: Traefik knows no %q", p.source, key), hint)
	}
	p.renamed(p.source, p.static.Renamed)
	for _, name := range sortedKeys(p.static.EntryPoints) {
		if e := p.static.EntryPoints[name]; e.RedirectTo != "" {
			if _, ok := p.static.EntryPoint(e.RedirectTo); !ok && !isPort(strings.TrimPrefix(e.RedirectTo, ":")) {
				p.fail(fmt.Sprintf("entry point %s redirects to %q, which is none", name, e.RedirectTo), p.entryPointsHint())
			}
		}
	}
	for _, name := range p.resolversInUse() {
		if r, ok := p.static.Resolver(name); ok && r.ACME {
			p.judgeResolver(name, r)
		}
	}
}

// renamed points out what version 3 changed. A version 2 takes it still.
func (p *proxy) renamed(where string, list []traefik.Rename) {
	for _, r := range list {
		problem := fmt.Sprintf("%s: version 3 of Traefik does not take %s", where, r.Was)
		if p.v3 {
			p.fail(problem, "in its place: "+r.Now)
		} else {
			p.warn(problem, "before version 3, in its place: "+r.Now)
		}
	}
}

// resolversInUse are those that entry points or labels name, else all.
func (p *proxy) resolversInUse() []string {
	used := map[string]bool{}
	for _, e := range p.static.EntryPoints {
		used[e.Resolver] = true
	}
	for _, l := range p.labels {
		for _, r := range l.Routers {
			used[r.Resolver] = true
		}
	}
	delete(used, "")
	if len(used) == 0 {
		return sortedKeys(p.static.Resolvers)
	}
	return sortedKeys(used)
}

func (p *proxy) judgeResolver(name string, r traefik.Resolver) {
	about := "resolver " + name
	if problem := unreal(r.Email); problem != "" {
		p.fail(fmt.Sprintf("%s: the e-mail %s", about, problem), "give certificatesResolvers."+name+".acme.email an address that somebody reads: the CA writes there")
	}
	if u, err := url.Parse(r.CAServer); r.CAServer != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		p.fail(fmt.Sprintf("%s: caServer %q is no https URL", about, r.CAServer), "write the URL of the CA's ACME directory, or leave it out for Let's Encrypt")
	}
	if r.Staging() {
		p.warn(about+": its CA is a staging one, whose certificates no client trusts", "remove caServer when the trial is over, and acme.json with it")
	}
	p.judgeChallenges(about, r)
	p.judgeStorage(about, r.Storage)
}

func (p *proxy) judgeChallenges(about string, r traefik.Resolver) {
	if len(r.Challenges) == 0 {
		p.fail(about+": no challenge is set", "set tlsChallenge: {}, or httpChallenge: {entryPoint: web}, or a dnsChallenge")
	}
	for _, c := range r.Challenges {
		port := map[traefik.Challenge]string{traefik.HTTPChallenge: "80", traefik.TLSChallenge: "443"}[c]
		if c == traefik.HTTPChallenge {
			e, ok := p.static.EntryPoint(r.EntryPoint)
			switch {
			case r.EntryPoint == "":
				p.fail(about+": httpChallenge names no entry point", "set httpChallenge.entryPoint to the one on port 80")
			case !ok:
				p.fail(fmt.Sprintf("%s: httpChallenge names the entry point %q, which is none", about, r.EntryPoint), p.entryPointsHint())
			case strings.HasSuffix(e.Address, "/udp"):
				p.fail(fmt.Sprintf("%s: httpChallenge names the entry point %q, which is UDP", about, r.EntryPoint), p.entryPointsHint())
			}
		}
		if port != "" && p.service != "" && !p.publishes(port) {
			p.warn(fmt.Sprintf("%s: the CA asks at port %s, which %s does not publish", about, port, p.service),
				"publish "+port+":"+port+", unless something in front of this server hands the port on")
		}
	}
}

func (p *proxy) publishes(port string) bool {
	if p.config.NetworkMode == "host" {
		return true
	}
	for _, published := range p.config.Ports {
		if published.Published == port && published.Protocol != "udp" {
			return true
		}
	}
	return false
}

// judgeStorage wants acme.json where the next container finds it again.
func (p *proxy) judgeStorage(about, storage string) {
	if p.service == "" {
		return
	}
	about = fmt.Sprintf("%s: its storage %s", about, storage)
	hint := "mount a named volume at its folder, as letsencrypt:/letsencrypt: certificates that are lost are asked for again, until the CA's limit is reached"
	if !path.IsAbs(storage) {
		storage = path.Join("/", p.config.WorkingDir, storage)
	}
	v, ok := mountAt(p.config, storage)
	if !ok {
		p.fail(about+" lies in the container's own layer, which goes with the container", hint)
		return
	}
	switch {
	case v.ReadOnly:
		p.fail(about+" is mounted read-only", "mount it without :ro")
	case v.Type == "tmpfs":
		p.fail(about+" lies in memory", hint)
	case v.Type == "volume" && v.Source == "":
		p.fail(about+" lies in a volume without a name, which goes with the container", hint)
	case v.Type == "bind":
		p.judgeBind(about, storage, v.Target, hint)
	}
}

func (p *proxy) judgeBind(about, storage, target, hint string) {
	at := slices.IndexFunc(p.w.Project.Mounts, func(m project.Mount) bool { return m.Service == p.service && m.Target == target })
	if at < 0 {
		return
	}
	switch m := p.w.Project.Mounts[at]; {
	case m.Kind == project.MountObject || m.Kind == project.MountCopy || m.Kind == project.MountSecret:
		p.fail(fmt.Sprintf("%s lies in %s, which the commit tracks: another version of it is another place", about, p.w.Project.Local(m.Path)), hint)
	case m.Kind == project.MountData && !m.Seed && path.Clean(target) == storage:
		p.fail(fmt.Sprintf("%s is mounted as a file that does not exist, which the Engine makes a folder of", about), "mount its folder")
	}
}

func (p *proxy) entryPointsHint() string {
	names := sortedKeys(p.static.EntryPoints)
	if len(names) == 0 {
		return "define it under entryPoints in the static configuration"
	}
	return "the entry points are " + strings.Join(names, ", ")
}

var (
	exampleDomain = regexp.MustCompile(`(?i)(?:^|[.])(?:example(?:\.[a-z]+)?|test|invalid|localhost|local|domain\.(?:com|tld)|(?:my|your|mon|votre)-?(?:domain|domaine|site|company)\.[a-z]+)$`)
	exampleUser   = regexp.MustCompile(`(?i)^(?:(?:your|votre|my|mon)[._-]?e?-?mail|changeme|change[_-]me|you|email|user@?name)$`)
)

// unreal says why an e-mail address reaches nobody; empty where it may.
func unreal(address string) string {
	user, domain, _ := strings.Cut(address, "@")
	parsed, err := mail.ParseAddress(address)
	switch {
	case address == "":
		return "is missing"
	case strings.Contains(address, "${") || strings.Contains(address, "{{"):
		return "is a variable, which Traefik does not fill in here"
	case err != nil || parsed.Address != address || !strings.Contains(domain, "."):
		return fmt.Sprintf("%q has no domain", address)
	case exampleDomain.MatchString(domain), exampleUser.MatchString(user), placeholderIn(address):
		return fmt.Sprintf("%q is a placeholder", address)
	}
	return ""
}

// placeholderIn reports whether a value looks like one that nobody filled in.
func placeholderIn(value string) bool {
	return slices.ContainsFunc(placeholderPatterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}
