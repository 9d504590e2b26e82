package traefik

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Problems that are not the CA's.
const (
	Permissions = "permissions" // of the storage's file
	NoResolver  = "noResolver"  // a router names one that the static file lacks
	NoProvider  = "provider"    // the DNS provider of a DNS-01 challenge
	Unreachable = "unreachable" // the CA, from Traefik
	Unknown     = "unknown"
)

// local are the problems that Traefik has before or beside the CA, by what it writes.
var local = []struct {
	problem string
	words   *regexp.Regexp
}{
	{Permissions, regexp.MustCompile(`permissions \d+ for .* are too open|permission denied`)},
	{NoResolver, regexp.MustCompile(`(?i)non-?existent (?:certificate )?resolver`)},
	{NoProvider, regexp.MustCompile(`error presenting token|time limit exceeded: last error`)},
	{Unreachable, regexp.MustCompile(`dial tcp|no such host|i/o timeout|connection refused|certificate signed by unknown authority|get directory at`)},
}

func problemOf(text string) string {
	// The last is the cause: what stands before it tells where it came up.
	if all := urn.FindAllStringSubmatch(text, -1); len(all) > 0 {
		problem := all[len(all)-1][1]
		if problem == "compound" || problem == "malformed" && len(all) > 1 {
			problem = all[0][1]
		}
		return problem
	}
	for _, l := range local {
		if l.words.MatchString(text) {
			return l.problem
		}
	}
	return Unknown
}

// remedies say what each problem means and what to do about it.
var remedies = map[string]struct{ what, remedy string }{
	"dns": {"the CA did not find the name in DNS",
		"make an A record (and AAAA only where IPv6 works) that points to this server, wait until the authoritative servers have it, then restart Traefik"},
	"connection": {"the CA could not connect to this server",
		"open port 80 (HTTP-01) or 443 (TLS-ALPN-01) to the whole internet in every firewall, and remove an AAAA record where IPv6 does not reach Traefik"},
	"unauthorized": {"the CA reached something that did not answer the challenge",
		"see that A and AAAA point to this server and nowhere else, and that no CDN or other proxy in front ends TLS (TLS-ALPN-01) or answers /.well-known/acme-challenge/ (HTTP-01)"},
	"tls": {"the CA's TLS connection to this server failed",
		"see that port 443 reaches Traefik itself, and that no proxy in front ends TLS"},
	"incorrectResponse": {"the challenge was answered wrongly",
		"see that only one Traefik answers for this name, and that A and AAAA point to it"},
	"rateLimited": {"the CA's rate limit is reached",
		"correct the cause of the failures before it is tried again; try with the CA's staging side (caServer) meanwhile; stop Traefik's tries by taking the certresolver label off"},
	"caa": {"a CAA record forbids this CA",
		`add the CA to the domain's CAA records (0 issue "letsencrypt.org"), or remove them; a CAA record of a parent domain counts too`},
	"invalidContact": {"the CA refuses the e-mail address",
		"set a real address as the resolver's email in traefik.yml: example.com and its like are refused"},
	"unsupportedContact": {"the CA refuses the e-mail address",
		"set one plain address as the resolver's email in traefik.yml"},
	"badNonce": {"a request was late or was replayed; the CA wants it again",
		"it usually passes by itself: restart Traefik when it comes back, and see that its clock is right"},
	"rejectedIdentifier": {"the CA does not issue for this name",
		"use a public domain name: no .local, no bare host, no address, and no name that the CA's policy forbids"},
	"malformed": {"the CA does not understand the request",
		"see that the router's Host rule holds plain domain names; update Traefik"},
	"userActionRequired": {"the CA wants its terms to be agreed to",
		"update Traefik, or remove the resolver's account from its storage so that it registers anew"},
	"accountDoesNotExist": {"the CA does not know the account in the storage",
		"the storage is of another CA (staging?): give the resolver a storage of its own, or remove the resolver's entry from acme.json"},
	"externalAccountRequired": {"the CA wants an external account binding", "set eab.kid and eab.hmacEncoded on the resolver"},
	"orderNotReady":           {"the CA was not ready with the order", "it usually passes by itself: restart Traefik when it comes back"},
	"serverInternal":          {"the CA has a fault of its own", "see the CA's status page (https://letsencrypt.status.io), and try again later"},
	Permissions: {"others may read the storage, so Traefik does not use the resolver",
		"chmod 600 the file (acme.json) on the volume or the host, then restart Traefik"},
	NoResolver: {"a router names a certificate resolver that does not exist",
		"give the label tls.certresolver the name of an entry of certificatesResolvers in traefik.yml"},
	NoProvider: {"the DNS provider did not take or show the challenge's record",
		"see the provider's credentials and zone, and the resolver's dnsChallenge settings"},
	Unreachable: {"Traefik does not reach the CA",
		"see that the host and its containers reach the internet and resolve names, and that caServer is right"},
	Unknown: {"no certificate was given", "read the line above, and Traefik's log around it"},
}

// Explain says in a sentence what went wrong, and what to do about it.
func (e Event) Explain() (what, remedy string) {
	r, ok := remedies[e.Problem]
	if !ok {
		r = remedies[Unknown]
		r.what = "the CA answered " + e.Problem
	}
	what, remedy = r.what, r.remedy
	if len(e.Names) > 0 {
		what = strings.Join(e.Names, ", ") + ": " + what
	}
	if until := e.RetryAfter(); !until.IsZero() {
		what += fmt.Sprintf(" until %s UTC", until.Format("2006-01-02 15:04"))
	}
	return what, remedy
}

var retryAfter = regexp.MustCompile(`retry after (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)`)

// RetryAfter is from when on the CA takes a request again, in UTC; the zero
// time where it did not say.
func (e Event) RetryAfter() time.Time {
	m := retryAfter.FindStringSubmatch(e.Message)
	if m == nil {
		return time.Time{}
	}
	at, _ := time.ParseInLocation(time.DateTime, m[1]+" "+m[2], time.UTC)
	return at
}

// FailsAuthorization reports whether the failure counts as a failed
// authorization: the CA looked at the names and was not content. A request
// that was refused before counts for nothing.
func (e Event) FailsAuthorization() bool {
	switch e.Problem {
	case "dns", "connection", "unauthorized", "tls", "incorrectResponse", "caa":
		return e.Kind == Failed
	}
	return false
}
