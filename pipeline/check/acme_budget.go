package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"deployer/pipeline/check/traefik"
	"deployer/state"
)

// budgetCheck counts what was asked of the CA against its published limits,
// before a push asks for more.
type budgetCheck struct {
	Service   text   `check:"service"`
	Storage   text   `check:"storage"`
	Hosts     []text `check:"hosts"`      // that are asked for besides those of the labels
	CA        text   `check:"ca"`         // part of its URL; the limits are those of Let's Encrypt
	PerSet    int    `check:"per_set"`    // certificates of exactly these names, in seven days
	PerDomain int    `check:"per_domain"` // certificates of a registered domain, in seven days
	Failures  int    `check:"failures"`   // failed authorizations of a host, in an hour
}

func newBudget() Check {
	return &budgetCheck{CA: text{letsEncrypt, letsEncrypt}, PerSet: 5, PerDomain: 50, Failures: 5}
}

func (c *budgetCheck) validate() error {
	if min(c.PerSet, c.PerDomain, c.Failures) < 1 {
		return fmt.Errorf("per_set, per_domain and failures must be at least 1")
	}
	return nil
}

func (c *budgetCheck) Run(ctx context.Context, w *World) Result {
	if w.Engine == nil || w.Project == nil || w.Project.Compose == nil {
		return skipped("there is no Engine or no project to look at")
	}
	service := c.Service.plain
	if list := traefikServices(w.Project); service == "" && len(list) > 0 {
		service = list[0]
	}
	if service == "" {
		return skipped("no service runs Traefik; `service` names the one that does")
	}
	path := c.Storage.plain
	if path == "" {
		path = acmeStorage
		if _, ok := w.Project.Compose.Services[service]; ok {
			path = storagePath(w.Project, service)
		}
	}
	seen, storage, err := witnessed(ctx, w, service, path, c.CA.plain)
	if err != nil {
		return failed("what was asked of the CA before cannot be seen: "+reason(err), "see that Docker runs on the target")
	}
	var kept []state.Issuance
	if w.Issuances != nil {
		if err := w.Issuances.Note(seen); err != nil {
			return failed("what was asked of the CA before cannot be kept: "+err.Error(), "see the server's disk and database")
		}
		if kept, err = w.Issuances.Since(w.now().Add(-countedWithin)); err != nil {
			return failed("what was asked of the CA before cannot be read: "+err.Error(), "see the server's database")
		}
	}
	return c.judge(c.lacking(w, storage), ledger(append(kept, seen...)), w.now())
}

// lacking are the sets of names that the push will ask certificates for.
func (c *budgetCheck) lacking(w *World, storage traefik.Storage) []string {
	var sets []string
	add := func(resolver string, names []string) {
		for name, r := range storage {
			if resolver != "" && name != resolver {
				continue
			}
			if stored, ok := r.For(names[0]); ok && stored.Chain[0].NotAfter.After(w.now()) &&
				!slices.ContainsFunc(names, func(n string) bool { return stored.Chain[0].VerifyHostname(n) != nil }) {
				return
			}
		}
		if set := traefik.Set(names); !slices.Contains(sets, set) {
			sets = append(sets, set)
		}
	}
	for _, wanted := range wantedCertificates(w.Project) {
		add(wanted.resolver, wanted.names)
	}
	for _, host := range c.Hosts {
		add("", []string{host.plain})
	}
	return sets
}

// ledger drops what is known twice: from the log and from the storage, from
// now and from before.
func ledger(all []state.Issuance) []state.Issuance {
	slices.SortStableFunc(all, func(a, b state.Issuance) int { return a.At.Compare(b.At) })
	var out []state.Issuance
	for _, i := range all {
		again := slices.ContainsFunc(out, func(o state.Issuance) bool {
			if o.Kind != i.Kind || o.Host != i.Host {
				return false
			}
			if i.Kind == state.CertificateIssued {
				return i.At.Sub(o.At) <= sameIssuance
			}
			return i.At.Unix() == o.At.Unix() && i.Nth == o.Nth
		})
		if !again {
			out = append(out, i)
		}
	}
	return out
}

func (c *budgetCheck) judge(sets []string, all []state.Issuance, now time.Time) Result {
	if len(sets) == 0 {
		return passed("a valid certificate is stored for every name, so none will be asked for")
	}
	var r report
	var said []string
	asked := map[string]int{} // by registered domain: certificates that this push asks for
	for _, set := range sets {
		names := strings.Split(set, ",")
		issued := timesOf(all, state.CertificateIssued, func(host string) bool { return host == set })
		c.spend(&r, limit{"certificates for exactly " + set, c.PerSet, countedWithin}, issued, 1, now)
		for _, host := range names {
			failures := timesOf(all, state.CertificateFailed, func(h string) bool { return h == host })
			c.spend(&r, limit{"failed authorizations of " + host, c.Failures, time.Hour}, failures, 1, now)
		}
		for _, domain := range domainsOf(names) {
			asked[domain]++
		}
		said = append(said, fmt.Sprintf("%s (%d issued in 7 days)", set, len(issued)))
	}
	for _, domain := range sortedKeys(asked) {
		issued := timesOf(all, state.CertificateIssued, func(set string) bool {
			return slices.Contains(domainsOf(strings.Split(set, ",")), domain)
		})
		c.spend(&r, limit{"certificates under " + domain, c.PerDomain, countedWithin}, issued, asked[domain], now)
	}
	return r.result("will ask for " + strings.Join(said, ", "))
}

// A limit is a number of things in a time. What was used comes back evenly,
// as the CA has it, one after the other.
type limit struct {
	what   string
	most   int
	within time.Duration
}

// left is how many more there may be now, and when there may be as many as
// wanted.
func (l limit) left(used []time.Time, wanted int, now time.Time) (left int, from time.Time) {
	each := l.within / time.Duration(l.most)
	var full time.Time // when nothing will count any more
	for _, at := range used {
		if at.After(full) {
			full = at
		}
		full = full.Add(each)
	}
	owed := max(full.Sub(now), 0)
	left = max(int((l.within-owed)/each), 0)
	return left, full.Add(time.Duration(wanted)*each - l.within)
}

// spend notes what asking for more would mean.
func (c *budgetCheck) spend(r *report, l limit, used []time.Time, wanted int, now time.Time) {
	left, from := l.left(used, wanted, now)
	evidence := fmt.Sprintf("%d of %d %s in %s", len(used), l.most, l.what, spanOf(l.within))
	switch {
	case left < wanted:
		r.fail(fmt.Sprintf("%s: the CA takes the next at %s UTC", evidence, from.UTC().Format("2006-01-02 15:04")),
			"push again after that; correct what made them fail, keep the storage on a volume so that a certificate is asked for once, and try with the CA's staging side (caServer)")
	case len(used) > 0 && left-wanted <= l.most/10:
		r.warn(fmt.Sprintf("%s, with this push close to the limit", evidence),
			"correct what makes them fail, or what loses the storage, before the next push")
	}
}

func spanOf(d time.Duration) string {
	if d == time.Hour {
		return "an hour"
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

func timesOf(all []state.Issuance, kind state.IssuanceKind, of func(host string) bool) []time.Time {
	var out []time.Time
	for _, i := range all {
		if i.Kind == kind && of(i.Host) {
			out = append(out, i.At)
		}
	}
	return out
}

// domainsOf are the registered domains of names, as the CA counts them.
func domainsOf(names []string) []string {
	var out []string
	for _, name := range names {
		domain, err := publicsuffix.EffectiveTLDPlusOne(strings.TrimPrefix(name, "*."))
		if err != nil {
			domain = name
		}
		if !slices.Contains(out, domain) {
			out = append(out, domain)
		}
	}
	return out
}
