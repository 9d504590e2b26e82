package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// dnsCheck asks the authoritative servers of a name, and resolvers, for its
// addresses, and whether a CA may issue for it.
type dnsCheck struct {
	Host      text         `check:"host,required"`
	Expect    []ipAddress  `check:"expect"`    // default: this server's own public addresses
	CA        text         `check:"ca"`        // as in CAA records: letsencrypt.org
	Resolvers []nameserver `check:"resolvers"` // default: those of this machine
	Servers   []nameserver `check:"servers"`   // in place of the authoritative ones

	port   string // of authoritative servers
	system string // the file that names this machine's resolvers
}

func newDNS() Check { return &dnsCheck{port: "53", system: "/etc/resolv.conf"} }

func (c *dnsCheck) Run(ctx context.Context, w *World) Result {
	host := dns.Fqdn(strings.ToLower(c.Host.plain))
	if _, ok := dns.IsDomainName(host); !ok || host == "." {
		return failed(fmt.Sprintf("%q is no name of a host", c.Host), "correct `host`, or the variable in it")
	}
	a := &asker{w: w, resolvers: c.Resolvers}
	if len(a.resolvers) == 0 {
		a.resolvers = systemResolvers(c.system)
	}
	servers := c.Servers
	var r report
	if len(servers) == 0 {
		var err error
		if servers, err = a.authorities(ctx, host, c.port); err != nil {
			r.warn("not proven at the authoritative servers: "+err.Error(), "see that this machine reaches the DNS, or name them in `servers`")
		}
	}
	answers := a.addresses(ctx, host, append(slices.Clone(servers), a.resolvers...))
	if len(answers) == 0 {
		return failed("there is no DNS server to ask", "name some in `resolvers`")
	}
	wanted, err := c.wanted(w)
	if err != nil {
		return failed("cannot list the addresses of this server: "+err.Error(), "name them in `expect`")
	}
	evidence := c.judge(&r, answers, wanted)
	if c.CA.plain != "" {
		evidence += "; " + c.judgeCAA(ctx, &r, a, host)
	}
	return r.result(evidence)
}

// A wantedSet is what the addresses of one family may be.
type wantedSet struct {
	addresses []netip.Addr
	exact     bool // all of them, and no others
}

// wanted returns what is expected of IPv4 and IPv6, by whether it is IPv4.
func (c *dnsCheck) wanted(w *World) (map[bool]wantedSet, error) {
	own, err := w.addresses()
	if err != nil && len(c.Expect) == 0 {
		return nil, err
	}
	out := map[bool]wantedSet{}
	for _, v4 := range []bool{true, false} {
		var set wantedSet
		for _, e := range c.Expect {
			if e.Is4() == v4 {
				set.addresses, set.exact = append(set.addresses, e.Addr), true
			}
		}
		if !set.exact {
			for _, o := range own {
				if o.Is4() == v4 {
					set.addresses = append(set.addresses, o)
				}
			}
		}
		out[v4] = set
	}
	return out, nil
}

// judge says what each server answers and what is wrong with it. The evidence
// names them all.
func (c *dnsCheck) judge(r *report, answers []dnsAnswer, wanted map[bool]wantedSet) string {
	var lines, bad []string
	silent, proven := 0, false
	for _, a := range answers {
		lines = append(lines, a.String())
		switch {
		case a.err != nil:
			silent++
		case a.rcode != dns.RcodeSuccess || len(a.addresses) == 0:
			bad = append(bad, a.name)
		default:
			ok := true
			for _, v4 := range []bool{true, false} {
				good, sure := c.fits(r, a.family(v4), wanted[v4], v4)
				ok, proven = ok && good, proven || sure
			}
			if !ok {
				bad = append(bad, a.name)
			}
		}
	}
	evidence := fmt.Sprintf("%s: %s", c.Host, strings.Join(lines, ", "))
	switch {
	case silent == len(answers):
		r.fail(evidence, "see that this machine reaches DNS servers (port 53, UDP and TCP)")
	case len(bad)+silent == len(answers):
		r.fail(evidence+c.expectation(wanted), "set the records at the DNS provider; `within: 10m` waits until they are everywhere")
	case len(bad) > 0:
		r.fail(fmt.Sprintf("%s%s: not propagated yet%s", evidence, c.expectation(wanted), waitFor(answers, bad)),
			"wait until every server says the same, which `within: 10m` does; where it stays, see that all name servers of the zone are updated")
	case silent > 0:
		r.warn("not every server answers", "a CA may ask the one that does not: see that it runs")
	}
	if len(bad) == 0 && silent < len(answers) && !proven {
		r.warn("not proven that this is this server: it has no public address of its own", "name its addresses in `expect`")
	}
	return evidence
}

// fits compares the answers of one family with what is wanted. It is sure
// where there was something to compare with.
func (c *dnsCheck) fits(r *report, have []netip.Addr, want wantedSet, v4 bool) (ok, sure bool) {
	if len(want.addresses) == 0 {
		if len(have) > 0 && len(c.Expect) > 0 {
			r.hint(fmt.Sprintf("the %s records point elsewhere than this server, and a CA that comes that way fails: remove them, or add their addresses to `expect`", record(v4)))
			return false, true
		}
		return true, false
	}
	for _, address := range have {
		if !slices.Contains(want.addresses, address) {
			if !v4 {
				r.hint("AAAA points elsewhere than this server, and a CA prefers it: correct or remove it")
			}
			return false, true
		}
	}
	missing := want.exact && slices.ContainsFunc(want.addresses, func(w netip.Addr) bool { return !slices.Contains(have, w) })
	return !missing, len(have) > 0
}

func record(v4 bool) string {
	if v4 {
		return "A"
	}
	return "AAAA"
}

// expectation says what the answers should have been.
func (c *dnsCheck) expectation(wanted map[bool]wantedSet) string {
	all := slices.Concat(wanted[true].addresses, wanted[false].addresses)
	if len(all) == 0 {
		return ""
	}
	return "; want " + joinAddresses(all)
}

// waitFor says how long what is wrong may stay in caches.
func waitFor(answers []dnsAnswer, bad []string) string {
	var longest uint32
	for _, a := range answers {
		if slices.Contains(bad, a.name) {
			longest = max(longest, a.ttl)
		}
	}
	if longest == 0 {
		return ""
	}
	return fmt.Sprintf("; TTL %d", longest)
}

// A dnsAnswer is what one server says of a host's addresses.
type dnsAnswer struct {
	name      string
	addresses []netip.Addr
	rcode     int
	ttl       uint32 // seconds, of what it says or of that there is nothing
	lame      bool   // it is no server of the zone
	err       error
}

func (a dnsAnswer) String() string {
	switch {
	case a.err != nil:
		return a.name + " " + a.err.Error()
	case a.rcode != dns.RcodeSuccess:
		return a.name + " " + dns.RcodeToString[a.rcode]
	case a.lame && len(a.addresses) == 0:
		return a.name + " does not serve the zone"
	case len(a.addresses) == 0:
		return a.name + " has no address"
	}
	return fmt.Sprintf("%s says %s (TTL %d)", a.name, joinAddresses(a.addresses), a.ttl)
}

func (a dnsAnswer) family(v4 bool) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a.addresses), func(ip netip.Addr) bool { return ip.Is4() != v4 })
}

func joinAddresses(list []netip.Addr) string {
	words := make([]string, len(list))
	for i, address := range list {
		words[i] = address.String()
	}
	return strings.Join(words, " ")
}

// addresses asks all servers at once, and returns their answers in order.
func (a *asker) addresses(ctx context.Context, host string, servers []nameserver) []dnsAnswer {
	out := make([]dnsAnswer, len(servers))
	var group sync.WaitGroup
	for i, s := range servers {
		group.Go(func() { out[i] = a.hostAddresses(ctx, s, host) })
	}
	group.Wait()
	return out
}

// addresses are the public addresses of this machine.
func (w *World) addresses() ([]netip.Addr, error) {
	list := w.Addresses
	if list == nil {
		list = net.InterfaceAddrs
	}
	all, err := list()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if ip := prefix.Addr().Unmap(); err == nil && ip.IsGlobalUnicast() && !ip.IsPrivate() {
			out = append(out, ip)
		}
	}
	return out, nil
}

// ipAddress is an address of a host.
type ipAddress struct{ netip.Addr }

func (a *ipAddress) set(t text) error {
	ip, err := netip.ParseAddr(t.plain)
	if err != nil {
		return fmt.Errorf("%q is no IP address", t)
	}
	a.Addr = ip.Unmap()
	return nil
}

var errNoServer = errors.New("no DNS server answers")
