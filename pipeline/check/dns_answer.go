package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

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
