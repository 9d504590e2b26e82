package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// accessCheck asks a service that has an allow-list of addresses from
// addresses of this machine, inside of the list and outside, and tries to get
// in by a forged X-Forwarded-For.
type accessCheck struct {
	URL       endpoint      `check:"url,required"`
	AllowFrom []localIP     `check:"allow_from"`
	DenyFrom  []localIP     `check:"deny_from"`
	Forge     []localIP     `check:"forge"` // addresses of the list that a client outside claims to have
	Denied    []statusRange `check:"denied"`
	Resolve   []override    `check:"resolve"`
	CA        text          `check:"ca"`
	Insecure  bool          `check:"insecure"`
}

func newAccess() Check { return &accessCheck{} }

// A localIP is an address without a port.
type localIP struct{ netip.Addr }

func (a *localIP) set(t text) (err error) {
	if a.Addr, err = netip.ParseAddr(t.plain); err != nil {
		return fmt.Errorf("%q is not an IP address", t)
	}
	return nil
}

// A sighted answer is what a client got, or why none could be asked for.
type sightedAnswer struct {
	status int
	absent bool // this machine does not have the address
	err    error
}

const (
	notProven  = "not proven from outside: "
	proveHint  = "give this server an address of that side with `allow_from` and `deny_from`, or try by hand from a machine there"
	forgedHint = "take the sender's own X-Forwarded-For for nothing: leave forwardedHeaders.insecure out of the entry point, let trustedIPs hold your own proxies only, and ipStrategy.depth be their number"
)

func (c *accessCheck) Run(ctx context.Context, w *World) Result {
	var r report
	var said []string
	if len(c.AllowFrom)+len(c.DenyFrom) == 0 {
		return c.fromHere(ctx, w)
	}
	denied, allowed := false, false
	for _, from := range c.DenyFrom {
		if c.outside(ctx, w, from.Addr, &r) {
			denied = true
			said = append(said, fmt.Sprintf("%s is refused", from))
		}
	}
	for _, from := range c.AllowFrom {
		switch a := c.ask(ctx, w, from.Addr, ""); {
		case a.absent:
			r.warn(fmt.Sprintf("%sthis server has no address %s", notProven, from), proveHint)
		case a.err != nil:
			what, hint := explain(a.err, 0)
			r.fail(fmt.Sprintf("from %s: %s", from, what), hint)
		case c.refuses(a.status) || a.status >= 500:
			r.fail(fmt.Sprintf("%s is on the list, and gets %d", from, a.status),
				"see the list's ranges, and which address the proxy sees: through a port that Docker publishes it may be the gateway of the network")
		default:
			allowed = true
			said = append(said, fmt.Sprintf("%s gets through (%d)", from, a.status))
		}
	}
	c.unproven(&r, denied, allowed)
	return r.result(fmt.Sprintf("%s: %s", c.URL, strings.Join(said, ", ")))
}

// fromHere asks once, from whatever address this machine takes.
func (c *accessCheck) fromHere(ctx context.Context, w *World) Result {
	var r report
	switch a := c.ask(ctx, w, netip.Addr{}, ""); {
	case a.err != nil:
		what, hint := explain(a.err, 0)
		return failed(fmt.Sprintf("%s: %s", c.URL, what), hint)
	case c.refuses(a.status):
		ok := c.outside(ctx, w, netip.Addr{}, &r)
		c.unproven(&r, ok, false)
		return r.result(fmt.Sprintf("%s refuses this server", c.URL))
	default:
		c.unproven(&r, false, true)
		return r.result(fmt.Sprintf("%s lets this server through (%d)", c.URL, a.status))
	}
}

func (c *accessCheck) unproven(r *report, denied, allowed bool) {
	if !denied && len(r.failures) == 0 {
		r.warn(notProven+"that a client outside of the list is refused", proveHint)
	}
	if !allowed && len(r.failures) == 0 {
		r.warn(notProven+"that a client on the list gets through", proveHint)
	}
}

// outside wants a client that is not on the list to be refused, also where it
// claims another address. It reports whether that is proven.
func (c *accessCheck) outside(ctx context.Context, w *World, from netip.Addr, r *report) bool {
	who := "this server"
	if from.IsValid() {
		who = from.String()
	}
	for _, claim := range append([]string{""}, c.claims(w)...) {
		a := c.ask(ctx, w, from, claim)
		switch {
		case a.absent:
			r.warn(fmt.Sprintf("%sthis server has no address %s", notProven, who), proveHint)
			return false
		case a.err != nil:
			what, hint := explain(a.err, 0)
			r.fail(fmt.Sprintf("from %s: %s", who, what), hint)
			return false
		case !c.refuses(a.status) && claim != "":
			r.fail(fmt.Sprintf("%s gets %d with a forged X-Forwarded-For: %s", who, a.status, claim), forgedHint)
			return false
		case !c.refuses(a.status):
			r.fail(fmt.Sprintf("%s is not on the list, and gets %d", who, a.status),
				"see that the router's middlewares name the allow-list (ipAllowList; ipWhiteList before version 3), and its sourceRange")
			return false
		}
	}
	return true
}

// claims are the addresses that a client outside pretends to have.
func (c *accessCheck) claims(w *World) []string {
	var out []string
	add := func(a netip.Addr) {
		if !slices.Contains(out, a.String()) {
			out = append(out, a.String())
		}
	}
	for _, a := range slices.Concat(c.Forge, c.AllowFrom) {
		add(a.Addr)
	}
	for _, p := range allowLists(w) {
		add(p.Addr())
	}
	return out
}

// allowLists are the ranges of the allow-lists in the project's labels.
func allowLists(w *World) []netip.Prefix {
	if w.Project == nil || w.Project.Compose == nil {
		return nil
	}
	var out []netip.Prefix
	for _, service := range w.Project.Compose.Services {
		for label, value := range service.Labels {
			label = strings.ToLower(label)
			if !strings.HasSuffix(label, ".ipallowlist.sourcerange") && !strings.HasSuffix(label, ".ipwhitelist.sourcerange") {
				continue
			}
			for _, word := range strings.Split(value, ",") {
				word = strings.TrimSpace(word)
				if p, err := netip.ParsePrefix(word); err == nil {
					out = append(out, p)
				} else if a, err := netip.ParseAddr(word); err == nil {
					out = append(out, netip.PrefixFrom(a, a.BitLen()))
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return out
}

func (c *accessCheck) refuses(status int) bool {
	if len(c.Denied) == 0 {
		return status == http.StatusForbidden
	}
	return slices.ContainsFunc(c.Denied, func(s statusRange) bool { return s.holds(status) })
}

// ask makes one request from an address, claiming another where claim is set.
func (c *accessCheck) ask(ctx context.Context, w *World, from netip.Addr, claim string) sightedAnswer {
	asHTTP := httpCheck{URL: c.URL, Method: http.MethodGet, Redirects: redirectsStop, Resolve: c.Resolve, CA: c.CA, Insecure: c.Insecure}
	client, err := asHTTP.client(w)
	if err != nil {
		return sightedAnswer{err: err}
	}
	defer client.CloseIdleConnections()
	if from.IsValid() {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice(), Zone: from.Zone()}, Resolver: w.Resolve, Timeout: 5 * time.Second}
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, asHTTP.overridden(address))
		}
	}
	request, err := asHTTP.request(ctx)
	if err != nil {
		return sightedAnswer{err: err}
	}
	if claim != "" {
		request.Header.Set("X-Forwarded-For", claim)
		request.Header.Set("X-Real-Ip", claim)
		request.Header.Set("Forwarded", "for="+claim)
	}
	response, err := client.Do(request)
	if err != nil {
		return sightedAnswer{err: err, absent: errors.Is(err, syscall.EADDRNOTAVAIL)}
	}
	return sightedAnswer{status: response.StatusCode, err: response.Body.Close()}
}
