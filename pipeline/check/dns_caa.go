package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// judgeCAA says whether the CA may issue for the host: the nearest name from
// the host upwards that has CAA records decides (RFC 8659).
func (c *dnsCheck) judgeCAA(ctx context.Context, r *report, a *asker, host string) string {
	server := a.resolvers
	if len(c.Servers) > 0 {
		server = c.Servers
	}
	wild := strings.HasPrefix(host, "*.")
	for name := strings.TrimPrefix(host, "*."); name != "."; name = parent(name) {
		answer, err := (&asker{a.w, server}).resolve(ctx, name, dns.TypeCAA)
		about := "CAA of " + strings.TrimSuffix(name, ".")
		switch {
		case err != nil:
			r.fail(fmt.Sprintf("%s cannot be looked up: %s", about, err), "a CA that cannot see it refuses too: see that the name servers answer for CAA")
			return about + " is not known"
		case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
			r.fail(fmt.Sprintf("%s cannot be looked up: %s", about, dns.RcodeToString[answer.Rcode]), "a CA that cannot see it refuses too: see that the name servers answer for CAA")
			return about + " is not known"
		}
		var records []*dns.CAA
		for _, rr := range answer.Answer {
			if record, ok := rr.(*dns.CAA); ok {
				records = append(records, record)
			}
		}
		if len(records) > 0 {
			return c.judgeRecords(r, about, records, wild)
		}
	}
	return "no CAA record forbids a CA"
}

var knownTags = []string{"issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone"}

func (c *dnsCheck) judgeRecords(r *report, about string, records []*dns.CAA, wild bool) string {
	var issuers []string
	named := map[string]bool{}
	for _, record := range records {
		named[strings.ToLower(record.Tag)] = true
	}
	decides := "issue"
	if wild && named["issuewild"] {
		decides = "issuewild"
	}
	for _, record := range records {
		tag := strings.ToLower(record.Tag)
		if record.Flag&128 != 0 && !slices.Contains(knownTags, tag) {
			r.fail(fmt.Sprintf("%s has the critical property %q, which no CA knows: all refuse", about, record.Tag), "remove the record, or its critical flag")
		}
		if tag == decides {
			issuer, _, _ := strings.Cut(record.Value, ";")
			issuers = append(issuers, strings.ToLower(strings.TrimSpace(issuer)))
		}
	}
	switch {
	case !named[decides]:
		return about + " names no issuer, so any CA may issue"
	case slices.Contains(issuers, strings.ToLower(c.CA.plain)):
		return fmt.Sprintf("%s allows %s", about, c.CA)
	}
	allowed := strings.Join(slices.DeleteFunc(issuers, func(s string) bool { return s == "" }), ", ")
	if allowed == "" {
		allowed = "nobody"
	}
	r.fail(fmt.Sprintf("%s (%s) allows %s, not %s", about, decides, allowed, c.CA),
		fmt.Sprintf("add the record: CAA 0 %s \"%s\"", decides, c.CA))
	return about + " forbids it"
}
