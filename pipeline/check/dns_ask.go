package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	dnsPatience = 2 * time.Second // for one answer
	dnsAttempts = 2
	maxAliases  = 8
)

// A nameserver is a DNS server to ask.
type nameserver struct {
	name    string // as people know it
	address string // host:port
	// authoritative servers are asked for what they know themselves.
	authoritative bool
}

func (n *nameserver) set(t text) error {
	host, port, err := net.SplitHostPort(t.plain)
	if err != nil {
		host, port = strings.Trim(t.plain, "[]"), "53"
	}
	if host == "" || strings.ContainsAny(host, " /") || !isPort(port) {
		return fmt.Errorf("%q is no DNS server: write 192.0.2.1 or ns1.example.org:53", t)
	}
	*n = nameserver{name: t.shown, address: net.JoinHostPort(host, port)}
	return nil
}

// systemResolvers are those that this machine asks.
func systemResolvers(file string) []nameserver {
	config, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil
	}
	var out []nameserver
	for _, s := range config.Servers {
		out = append(out, nameserver{name: "resolver " + s, address: net.JoinHostPort(s, config.Port)})
	}
	return out
}

// An asker asks DNS servers on behalf of a check.
type asker struct {
	w         *World
	resolvers []nameserver
}

// ask puts one question to one server: by UDP, and by TCP where the answer is
// too long for that.
func (a *asker) ask(ctx context.Context, s nameserver, name string, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name, kind)
	question.RecursionDesired = !s.authoritative
	question.SetEdns0(1232, false)
	var err error
	for range dnsAttempts {
		var answer *dns.Msg
		if answer, err = a.exchange(ctx, "udp", s, question); err == nil && answer.Truncated {
			answer, err = a.exchange(ctx, "tcp", s, question)
		}
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.New("does not answer in time")
	}
	what, _ := explain(err, dnsPatience)
	return nil, errors.New("does not answer: " + what)
}

func (a *asker) exchange(ctx context.Context, network string, s nameserver, question *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsPatience)
	defer cancel()
	conn, err := a.w.dial(ctx, network, s.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := dns.Client{Net: network, Timeout: dnsPatience}
	answer, _, err := client.ExchangeWithConnContext(ctx, question, &dns.Conn{Conn: conn, UDPSize: 1232})
	return answer, err
}

// resolve asks the first resolver that answers.
func (a *asker) resolve(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	err := errNoServer
	for _, s := range a.resolvers {
		answer, failure := a.ask(ctx, s, name, kind)
		if failure == nil {
			return answer, nil
		}
		err = fmt.Errorf("%s %w", s.name, failure)
	}
	return nil, err
}

// authorities finds the name servers of the zone that host is in.
func (a *asker) authorities(ctx context.Context, host, port string) ([]nameserver, error) {
	for zone := host; zone != "."; zone = parent(zone) {
		answer, err := a.resolve(ctx, zone, dns.TypeNS)
		if err != nil {
			return nil, err
		}
		var out []nameserver
		for _, rr := range answer.Answer {
			ns, ok := rr.(*dns.NS)
			if !ok || !strings.EqualFold(ns.Hdr.Name, zone) {
				continue
			}
			if found, ok := a.locate(ctx, ns.Ns, port); ok {
				out = append(out, found)
			}
		}
		if len(out) > 0 {
			slices.SortFunc(out, func(x, y nameserver) int { return strings.Compare(x.name, y.name) })
			return out, nil
		}
	}
	return nil, errors.New("no zone with name servers was found for it")
}

// locate finds the address of a name server.
func (a *asker) locate(ctx context.Context, name, port string) (nameserver, bool) {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := a.resolve(ctx, name, kind)
		if err != nil {
			continue
		}
		if found := addressesIn(answer); len(found) > 0 {
			return nameserver{name: strings.TrimSuffix(name, "."), address: net.JoinHostPort(found[0].String(), port), authoritative: true}, true
		}
	}
	return nameserver{}, false
}

// hostAddresses asks one server for both kinds of addresses of a host.
func (a *asker) hostAddresses(ctx context.Context, s nameserver, host string) dnsAnswer {
	out := dnsAnswer{name: s.name}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := a.follow(ctx, s, host, kind)
		if err != nil {
			out.err = err
			return out
		}
		if out.rcode == dns.RcodeSuccess {
			out.rcode = answer.Rcode
		}
		found := addressesIn(answer)
		out.addresses = append(out.addresses, found...)
		out.lame = s.authoritative && !answer.Authoritative
		if len(found) > 0 || out.ttl == 0 {
			out.ttl = ttlOf(answer)
		}
	}
	return out
}

// follow asks for one kind of address, also where the host is an alias of
// another name that the server does not serve itself.
func (a *asker) follow(ctx context.Context, s nameserver, name string, kind uint16) (*dns.Msg, error) {
	for range maxAliases {
		answer, err := a.ask(ctx, s, name, kind)
		if err != nil || len(addressesIn(answer)) > 0 {
			return answer, err
		}
		target := aliasIn(answer, name)
		if target == name {
			return answer, nil
		}
		name = target
		if s.authoritative && len(a.resolvers) > 0 {
			s = a.resolvers[0] // another zone may serve the target
		}
	}
	return nil, errors.New("has aliases (CNAME) that lead nowhere")
}

// aliasIn is where the aliases of an answer lead from name.
func aliasIn(answer *dns.Msg, name string) string {
	for range answer.Answer {
		for _, rr := range answer.Answer {
			if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, name) {
				name = strings.ToLower(alias.Target)
			}
		}
	}
	return name
}

func addressesIn(answer *dns.Msg) []netip.Addr {
	var out []netip.Addr
	for _, rr := range answer.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if address, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, address.Unmap())
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// ttlOf is how long an answer may be kept, in seconds: also that there is none.
func ttlOf(answer *dns.Msg) uint32 {
	if len(answer.Answer) > 0 {
		return answer.Answer[0].Header().Ttl
	}
	for _, rr := range answer.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(soa.Hdr.Ttl, soa.Minttl)
		}
	}
	return 0
}

// parent is the name without its first label.
func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}
