package traefik

import (
	"strings"
	"testing"
	"time"
)

const (
	v2Text = `time="2026-05-06T16:54:10Z" level=error msg="Unable to obtain ACME certificate for domains \"a.example.com,b.example.com\": unable to generate a certificate for the domains [a.example.com b.example.com]: error: one or more domains had a problem:\n[a.example.com] acme: error: 403 :: urn:ietf:params:acme:error:unauthorized :: Cannot negotiate ALPN protocol \"acme-tls/1\" for tls-alpn-01 challenge\n" providerName=le.acme ACME CA="https://acme-v02.api.letsencrypt.org/directory" routerName=registry@docker rule="Host(` + "`a.example.com`" + `)"`
	v2JSON = `{"ACME CA":"https://acme-v02.api.letsencrypt.org/directory","level":"error","msg":"Unable to obtain ACME certificate for domains \"a.example.com\": unable to generate a certificate for the domains [a.example.com]: acme: error: 429 :: POST :: https://acme-v02.api.letsencrypt.org/acme/new-order :: urn:ietf:params:acme:error:rateLimited :: Error creating new order :: too many failed authorizations recently: see https://letsencrypt.org/docs/failed-validation-limit/","providerName":"le.acme","routerName":"registry@docker","time":"2026-05-06T16:54:10Z"}`
	v3Text = "\x1b[90m2026-05-06T16:54:10Z\x1b[0m \x1b[31mERR\x1b[0m " + `Unable to obtain ACME certificate for domains ` + "\x1b[36merror=\x1b[0m" + `"unable to generate a certificate for the domains [a.example.com]: acme: error: 429 :: POST :: https://acme-v02.api.letsencrypt.org/acme/new-order :: urn:ietf:params:acme:error:rateLimited :: too many failed authorizations (5) for \"a.example.com\" in the last 1h0m0s, retry after 2026-05-06 17:34:59 UTC: see https://letsencrypt.org/docs/rate-limits/#x" ACME CA=https://acme-v02.api.letsencrypt.org/directory acmeCA=https://acme-v02.api.letsencrypt.org/directory domains=["a.example.com"] providerName=le.acme routerName=registry@docker rule=Host(` + "`a.example.com`)"
	v3JSON = `{"level":"error","providerName":"le.acme","acmeCA":"https://localhost:14000/dir","routerName":"registry@docker","rule":"Host(...)","error":"unable to generate a certificate for the domains [a.example.com]: error: one or more domains had a problem:\n[a.example.com] invalid authorization: acme: error: 400 :: urn:ietf:params:acme:error:dns :: DNS problem: NXDOMAIN looking up A for a.example.com\n","domains":["a.example.com"],"time":"2026-05-06T16:54:10Z","message":"Unable to obtain ACME certificate for domains"}`
)

func TestReadLog(t *testing.T) {
	at := time.Date(2026, 5, 6, 16, 54, 10, 0, time.UTC)
	for _, tt := range []struct {
		name, line                       string
		kind                             Kind
		names, resolver, router, problem string
		explained                        string
	}{
		{"v2 text", v2Text, Failed, "a.example.com,b.example.com", "le", "registry@docker", "unauthorized", "did not answer the challenge"},
		{"v2 JSON", v2JSON, Failed, "a.example.com", "le", "registry@docker", "rateLimited", "a.example.com: the CA's rate limit is reached"},
		{"v3 text", v3Text, Failed, "a.example.com", "le", "registry@docker", "rateLimited", "the CA's rate limit is reached until 2026-05-06 17:34 UTC"},
		{"v3 JSON", v3JSON, Failed, "a.example.com", "le", "registry@docker", "dns", "did not find the name in DNS"},
		{"v3 with its source", `2026-05-06T16:54:10Z ERR github.com/traefik/traefik/v3/pkg/provider/acme/provider.go:536 > Unable to obtain ACME certificate for domains error="cannot get ACME client acme: error: 400 :: POST :: https://acme-v02.api.letsencrypt.org/acme/new-acct :: urn:ietf:params:acme:error:invalidContact :: Error validating contact(s) :: contact email has forbidden domain \"example.com\"" domains=["a.example.com"] providerName=le.acme`,
			Failed, "a.example.com", "le", "", "invalidContact", "refuses the e-mail"},
		{"a CAA record", `2026-05-06T16:54:10Z ERR Unable to obtain ACME certificate for domains error="unable to generate a certificate for the domains [a.example.com]: error: one or more domains had a problem:\n[a.example.com] acme: error: 403 :: urn:ietf:params:acme:error:caa :: CAA record for example.com prevents issuance\n" domains=["a.example.com"] providerName=le.acme`,
			Failed, "a.example.com", "le", "", "caa", "CAA record forbids"},
		{"the CA cannot connect", `2026-05-06T16:54:10Z ERR Unable to obtain ACME certificate for domains error="error: one or more domains had a problem:\n[a.example.com] invalid authorization: acme: error: 400 :: urn:ietf:params:acme:error:connection :: 203.0.113.10: Timeout during connect (likely firewall problem)\n" domains=["a.example.com"] providerName=le.acme`,
			Failed, "a.example.com", "le", "", "connection", "could not connect"},
		{"bad nonce", `2026-05-06T16:54:10Z ERR Unable to obtain ACME certificate for domains error="acme: error: 400 :: POST :: https://x :: urn:ietf:params:acme:error:badNonce :: JWS has an invalid anti-replay nonce" domains=["a.example.com"] providerName=le.acme`,
			Failed, "a.example.com", "le", "", "badNonce", "late or was replayed"},
		{"a problem that is new", `2026-05-06T16:54:10Z ERR Unable to obtain ACME certificate for domains error="acme: error: 400 :: urn:ietf:params:acme:error:fullMoon :: come again" domains=["a.example.com"] providerName=le.acme`,
			Failed, "a.example.com", "le", "", "fullMoon", "the CA answered fullMoon"},
		{"the CA is not reached", `2026-05-06T16:54:10Z ERR Unable to obtain ACME certificate for domains error="cannot get ACME client get directory at 'https://acme-v02.api.letsencrypt.org/directory': Get \"https://acme-v02.api.letsencrypt.org/directory\": dial tcp: lookup acme-v02.api.letsencrypt.org: i/o timeout" domains=["a.example.com"] providerName=le.acme`,
			Failed, "a.example.com", "le", "", Unreachable, "does not reach the CA"},
		{"renewal, v2", `time="2026-05-06T16:54:10Z" level=error msg="Error renewing certificate from LE: {a.example.com [b.example.com]}, acme: error: 400 :: urn:ietf:params:acme:error:dns :: no" providerName=le.acme`,
			Failed, "a.example.com,b.example.com", "le", "", "dns", ""},
		{"the file is open to all, v2", `time="2026-05-06T16:54:10Z" level=error msg="The ACME resolver \"le\" is skipped from the resolvers list because: unable to get ACME account: permissions 644 for /letsencrypt/acme.json are too open, please use 600"`,
			Broken, "", "le", "", Permissions, "chmod 600"},
		{"the file is open to all, v3", `2026-05-06T16:54:10Z ERR The ACME resolve is skipped from the resolvers list error="unable to get ACME account: permissions 644 for /letsencrypt/acme.json are too open, please use 600" resolver=le`,
			Broken, "", "le", "", Permissions, "chmod 600"},
		{"no such resolver, v2", `time="2026-05-06T16:54:10Z" level=error msg="the router registry@docker uses a non-existent resolver: nope"`,
			Broken, "", "nope", "registry@docker", NoResolver, "tls.certresolver"},
		{"no such resolver, v3", `2026-05-06T16:54:10Z ERR Router uses a nonexistent certificate resolver certificateResolver=nope routerName=registry@docker`,
			Broken, "", "nope", "registry@docker", NoResolver, "tls.certresolver"},
		{"issued", `2026-05-06T16:54:10Z DBG github.com/traefik/traefik/v3/pkg/provider/acme/provider.go:800 > Certificates obtained for domains [a.example.com b.example.com] providerName=le.acme routerName=registry@docker`,
			Issued, "a.example.com,b.example.com", "le", "registry@docker", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events := ReadLog("2026-05-06T16:54:09Z INF Starting provider *acme.Provider\n" + tt.line + "\r\n\n{broken\n")
			if len(events) != 1 {
				t.Fatalf("got %d events: %+v", len(events), events)
			}
			e := events[0]
			if e.Kind != tt.kind || strings.Join(e.Names, ",") != tt.names || e.Resolver != tt.resolver || e.Router != tt.router || e.Problem != tt.problem || !e.At.Equal(at) {
				t.Errorf("got %+v", e)
			}
			what, remedy := e.Explain()
			if !strings.Contains(what+"; "+remedy, tt.explained) || strings.Contains(e.Message, "\x1b") || strings.Contains(e.Message, "\n") {
				t.Errorf("explained as %q, %q; message %q", what, remedy, e.Message)
			}
			if e.Kind != Issued && remedy == "" {
				t.Error("no remedy")
			}
		})
	}
}

func TestWhichFailuresCount(t *testing.T) {
	for line, counts := range map[string]bool{v2Text: true, v2JSON: false, v3Text: false, v3JSON: true} {
		if e := ReadLog(line)[0]; e.FailsAuthorization() != counts {
			t.Errorf("%s: %v", e.Problem, !counts)
		}
	}
	if e := ReadLog(v3JSON)[0]; e.CA != "https://localhost:14000/dir" {
		t.Errorf("CA %q", e.CA)
	}
}

func TestOtherLinesAreNoEvents(t *testing.T) {
	for _, line := range []string{
		"", "{", `{"level":"error","message":"service unavailable"}`, `10.0.0.1 - - [06/May/2026:16:54:10 +0000] "GET /v2/ HTTP/1.1" 200 2`,
		`2026-05-06T16:54:10Z DBG Looking for provided certificate(s) to validate ["a.example.com"]... providerName=le.acme`,
		`2026-05-06T16:54:10Z INF Testing certificate renew... providerName=le.acme`,
	} {
		if events := ReadLog(line); len(events) != 0 {
			t.Errorf("%q: %+v", line, events)
		}
	}
}

func FuzzReadLog(f *testing.F) {
	for _, line := range []string{v2Text, v2JSON, v3Text, v3JSON, `ERR a="`, "{}"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, log string) {
		for _, e := range ReadLog(log) {
			if what, _ := e.Explain(); what == "" && e.Kind != Issued {
				t.Error("a failure is not explained")
			}
		}
	})
}
