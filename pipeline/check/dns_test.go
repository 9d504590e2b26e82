package check

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/miekg/dns"

	"deployer/state"
)

const delegation = `
example.org. 3600 IN NS ns1.example.org.
example.org. 3600 IN NS ns2.example.org.
ns1.example.org. 3600 IN A 127.0.0.2
ns2.example.org. 3600 IN A 127.0.0.3
`

// An internet is two authoritative servers of example.org and a resolver.
type internet struct {
	resolver, ns1, ns2 *zone
}

// ask runs the check on it. own are the addresses of this machine.
func (n internet) ask(t *testing.T, fields string, own ...string) Result {
	t.Helper()
	n.ns1.authoritative, n.ns2.authoritative = true, true
	n.resolver.records += delegation
	port := n.resolver.serve(t, "127.0.0.1", "0")
	n.ns1.serve(t, "127.0.0.2", port)
	n.ns2.serve(t, "127.0.0.3", port)
	c, err := parse(t, fmt.Sprintf("{check: dns, host: registry.example.org, resolvers: ['127.0.0.1:%s']%s}", port, fields)).Build(environment())
	if err != nil {
		t.Fatal(err)
	}
	c.(*dnsCheck).port = port
	return c.Run(t.Context(), &World{Addresses: func() (out []net.Addr, err error) {
		for _, a := range own {
			p := netip.MustParsePrefix(a)
			out = append(out, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
		}
		return out, nil
	}})
}

func all(records string) internet {
	return internet{&zone{records: records}, &zone{records: records}, &zone{records: records}}
}

const right = "registry.example.org. 300 IN A 203.0.113.10\n"

func TestDNSIsAskedEverywhere(t *testing.T) {
	six := right + "registry.example.org. 300 IN AAAA 2001:db8::1\n"
	for name, tt := range map[string]struct {
		net    internet
		fields string
		own    []string
		status state.StepStatus
		parts  []string
	}{
		"as expected": {all(right), ", expect: [203.0.113.10]", nil, state.StepPassed,
			[]string{"ns1.example.org says 203.0.113.10 (TTL 300)", "ns2.example.org says", "127.0.0.1:"}},
		"both kinds": {all(six), ", expect: [203.0.113.10, '2001:db8::1']", nil, state.StepPassed, nil},
		"not propagated": {internet{&zone{}, &zone{records: right}, &zone{}}, ", expect: [203.0.113.10]", nil, state.StepFailed,
			[]string{"ns1.example.org says 203.0.113.10", "ns2.example.org NXDOMAIN", "not propagated yet; TTL 300", "within: 10m"}},
		"the old address in a cache": {internet{&zone{records: "registry.example.org. 77 IN A 198.51.100.1\n"}, &zone{records: right}, &zone{records: right}},
			", expect: [203.0.113.10]", nil, state.StepFailed, []string{"says 198.51.100.1 (TTL 77)", "not propagated yet; TTL 77"}},
		"wrong everywhere": {all("registry.example.org. 300 IN A 198.51.100.1\n"), ", expect: [203.0.113.10]", nil, state.StepFailed,
			[]string{"198.51.100.1", "want 203.0.113.10", "DNS provider"}},
		"nothing anywhere":          {all(""), ", expect: [203.0.113.10]", nil, state.StepFailed, []string{"NXDOMAIN"}},
		"one of two addresses":      {all(right), ", expect: [203.0.113.10, 203.0.113.11]", nil, state.StepFailed, []string{"want 203.0.113.10 203.0.113.11"}},
		"AAAA elsewhere":            {all(six), ", expect: [203.0.113.10]", nil, state.StepFailed, []string{"2001:db8::1", "AAAA records point elsewhere"}},
		"AAAA is this server's own": {all(six), ", expect: [203.0.113.10]", []string{"2001:db8::1/64"}, state.StepPassed, nil},
		"this server's own":         {all(right), "", []string{"203.0.113.10/24", "10.0.0.1/8", "172.17.0.1/16"}, state.StepPassed, nil},
		"own, AAAA elsewhere":       {all(six), "", []string{"203.0.113.10/24", "2001:db8::2/64"}, state.StepFailed, []string{"a CA prefers it"}},
		"not this server":           {all(right), "", []string{"203.0.113.99/24"}, state.StepFailed, []string{"want 203.0.113.99"}},
		"behind NAT":                {all(right), "", []string{"192.168.1.2/24"}, state.StepWarned, []string{"not proven", "expect", "203.0.113.10"}},
		"behind NAT and missing":    {all(""), "", []string{"192.168.1.2/24"}, state.StepFailed, []string{"NXDOMAIN"}},
		"one server is silent": {internet{&zone{records: right}, &zone{records: right}, &zone{silent: true}}, ", expect: [203.0.113.10]", nil, state.StepWarned,
			[]string{"ns2.example.org does not answer in time", "not every server"}},
		"one server fails": {internet{&zone{records: right}, &zone{records: right}, &zone{rcodes: map[string]int{"registry.example.org.": dns.RcodeServerFailure}}},
			", expect: [203.0.113.10]", nil, state.StepFailed, []string{"ns2.example.org SERVFAIL"}},
		"long answers": {internet{&zone{records: right, short: true}, &zone{records: right, short: true}, &zone{records: right, short: true}}, ", expect: [203.0.113.10]", nil, state.StepPassed, nil},
		"an alias":     {all("registry.example.org. 60 IN CNAME edge.example.org.\nedge.example.org. 300 IN A 203.0.113.10\n"), ", expect: [203.0.113.10]", nil, state.StepPassed, nil},
		"alias elsewhere": {internet{&zone{records: "registry.example.org. 60 IN CNAME edge.example.net.\nedge.example.net. 300 IN A 203.0.113.10\n"},
			&zone{records: "registry.example.org. 60 IN CNAME edge.example.net.\n"}, &zone{records: "registry.example.org. 60 IN CNAME edge.example.net.\n"}}, ", expect: [203.0.113.10]", nil, state.StepPassed, nil},
		"alias in a circle": {all("registry.example.org. 60 IN CNAME a.example.org.\na.example.org. 60 IN CNAME registry.example.org.\n"), ", expect: [203.0.113.10]", nil, state.StepFailed, []string{"lead nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := tt.net.ask(t, tt.fields, tt.own...)
			want(t, r, tt.status, tt.parts...)
			if tt.net.ns1.short && tt.net.ns1.overTCP.Load() == 0 {
				t.Error("TCP was not used")
			}
		})
	}
}

func TestDNSAllowsTheCA(t *testing.T) {
	for name, tt := range map[string]struct {
		records string
		rcodes  map[string]int
		status  state.StepStatus
		parts   []string
	}{
		"no record":              {"", nil, state.StepPassed, []string{"no CAA record forbids"}},
		"of the host":            {"registry.example.org. 300 IN CAA 0 issue \"letsencrypt.org; validationmethods=http-01\"", nil, state.StepPassed, []string{"CAA of registry.example.org allows letsencrypt.org"}},
		"of the parent":          {"example.org. 300 IN CAA 0 issue \"letsencrypt.org\"", nil, state.StepPassed, []string{"CAA of example.org allows"}},
		"the parent forbids":     {"example.org. 300 IN CAA 0 issue \"sectigo.com\"", nil, state.StepFailed, []string{"allows sectigo.com, not letsencrypt.org", `CAA 0 issue "letsencrypt.org"`}},
		"the nearest decides":    {"example.org. 300 IN CAA 0 issue \"sectigo.com\"\nregistry.example.org. 300 IN CAA 0 issue \"letsencrypt.org\"", nil, state.StepPassed, nil},
		"nobody may":             {"example.org. 300 IN CAA 0 issue \";\"", nil, state.StepFailed, []string{"allows nobody"}},
		"only mail is told":      {"example.org. 300 IN CAA 0 iodef \"mailto:a@b.org\"", nil, state.StepPassed, []string{"names no issuer"}},
		"wild does not matter":   {"example.org. 300 IN CAA 0 issuewild \";\"\nexample.org. 300 IN CAA 0 issue \"letsencrypt.org\"", nil, state.StepPassed, nil},
		"critical and unknown":   {"example.org. 300 IN CAA 128 future \"x\"\nexample.org. 300 IN CAA 0 issue \"letsencrypt.org\"", nil, state.StepFailed, []string{`critical property "future"`}},
		"not critical, unknown":  {"example.org. 300 IN CAA 0 future \"x\"", nil, state.StepPassed, nil},
		"it cannot be looked up": {"", map[string]int{"registry.example.org. CAA": dns.RcodeServerFailure}, state.StepFailed, []string{"cannot be looked up: SERVFAIL"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := all(right + tt.records + "\n")
			n.resolver.rcodes = tt.rcodes
			want(t, n.ask(t, ", expect: [203.0.113.10], ca: letsencrypt.org"), tt.status, tt.parts...)
		})
	}
	z := &zone{records: "*.example.org. 300 IN A 203.0.113.10\nexample.org. 300 IN CAA 0 issue \"letsencrypt.org\"\nexample.org. 300 IN CAA 0 issuewild \"other.org\"\n"}
	port := z.serve(t, "127.0.0.1", "0")
	want(t, run(t, "{check: dns, host: '*.example.org', expect: [203.0.113.10], ca: letsencrypt.org, servers: ['127.0.0.1:"+port+"'], resolvers: ['127.0.0.1:"+port+"']}", &World{}),
		state.StepFailed, "(issuewild) allows other.org")
}

func TestDNSOfPrivateServersAndOfNone(t *testing.T) {
	z := &zone{records: right}
	port := z.serve(t, "127.0.0.1", "0")
	r := run(t, "{check: dns, host: registry.example.org, expect: [203.0.113.10], servers: ['127.0.0.1:"+port+"'], resolvers: ['127.0.0.1:"+port+"']}", &World{})
	want(t, r, state.StepPassed, "127.0.0.1:"+port+" says 203.0.113.10")

	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	_ = free.Close()
	r = run(t, "{check: dns, host: registry.example.org, expect: [203.0.113.10], resolvers: ['"+address+"']}", &World{})
	want(t, r, state.StepFailed, "does not answer", "not proven at the authoritative servers")

	w := &World{Env: environment(public("H", "")), Addresses: func() ([]net.Addr, error) { return nil, errors.New("no such thing") }}
	want(t, run(t, "{check: dns, host: '${H}'}", w), state.StepFailed, "no name of a host")
	want(t, run(t, "{check: dns, host: registry.example.org, servers: ['127.0.0.1:"+port+"'], resolvers: ['127.0.0.1:"+port+"']}", w), state.StepFailed, "no such thing")
	for _, bad := range []string{"expect: [300.1.1.1]", "resolvers: ['a b']", "servers: ['x:99999']"} {
		var spec Spec
		err := yaml.Unmarshal([]byte("{check: dns, host: a.org, "+bad+"}"), &spec)
		if field, _, _ := strings.Cut(bad, ":"); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
