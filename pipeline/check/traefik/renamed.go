package traefik

import (
	"regexp"
	"strings"
)

// A Rename is a name that version 3 changed or dropped, and what is in its place.
type Rename struct{ Was, Now string }

// renamedStatic finds what version 3 refuses in a static configuration.
func renamedStatic(root tree) []Rename {
	var out []Rename
	for _, r := range []struct{ path, now string }{
		{"pilot", "nothing: it was dropped"},
		{"experimental.http3", "entryPoints.<name>.http3"},
		{"providers.docker.swarmMode", "providers.swarm"},
		{"providers.docker.tls.caOptional", "nothing: it was dropped"},
		{"providers.marathon", "nothing: it was dropped"},
		{"providers.rancher", "nothing: it was dropped"},
		{"providers.consulCatalog.namespace", "providers.consulCatalog.namespaces"},
		{"providers.consul.namespace", "providers.consul.namespaces"},
		{"providers.nomad.namespace", "providers.nomad.namespaces"},
		{"metrics.influxDB", "metrics.influxDB2"},
		{"tracing.jaeger", "tracing.otlp"},
		{"tracing.zipkin", "tracing.otlp"},
		{"tracing.datadog", "tracing.otlp"},
		{"tracing.instana", "tracing.otlp"},
		{"tracing.haystack", "tracing.otlp"},
		{"tracing.elastic", "tracing.otlp"},
	} {
		if root.get(strings.Split(r.path, ".")...) != nil {
			out = append(out, Rename{r.path, r.now})
		}
	}
	return out
}

// ruleChanges are matchers of version 2 that version 3 does not know.
var ruleChanges = []struct {
	was *regexp.Regexp
	Rename
}{
	{regexp.MustCompile(`\bHost(?:SNI)?\([^)]*,`), Rename{"Host(`a`, `b`)", "Host(`a`) || Host(`b`)"}},
	{regexp.MustCompile(`\bPath(?:Prefix)?\([^)]*,`), Rename{"Path(`/a`, `/b`)", "Path(`/a`) || Path(`/b`)"}},
	{regexp.MustCompile(`\bHostHeader\(`), Rename{"HostHeader", "Host"}},
	{regexp.MustCompile(`\bHeaders\(`), Rename{"Headers", "Header"}},
	{regexp.MustCompile(`\bHeadersRegexp\(`), Rename{"HeadersRegexp", "HeaderRegexp"}},
	{regexp.MustCompile("\\bHostRegexp\\(`[^`]*\\{\\w+:"), Rename{"HostRegexp(`{name:…}`)", "a plain regular expression in HostRegexp"}},
}

func renamedLabels(l Labels) []Rename {
	var out []Rename
	for _, m := range l.Middlewares {
		if m.Kind == "ipwhitelist" {
			out = append(out, Rename{"middlewares." + m.Name + ".ipwhitelist", "middlewares." + m.Name + ".ipallowlist"})
		}
	}
	for _, r := range l.Routers {
		for _, change := range ruleChanges {
			if change.was.MatchString(r.Rule) {
				out = append(out, Rename{change.Was + " in the rule of " + r.Name, change.Now})
			}
		}
	}
	return out
}
