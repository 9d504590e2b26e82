package policy

import (
	"fmt"
	"net/netip"

	"github.com/compose-spec/compose-go/v2/types"
)

// privilegedPorts end here: below, only root listens.
const privilegedPorts = 1024

// ports judges what the host publishes.
func (j *judge) ports(subject string, published []types.ServicePortConfig) {
	for _, p := range published {
		if p.Published == "" && p.HostIP != "" && !everywhere(p.HostIP) {
			continue // a port that the Engine chooses, on one address
		}
		f := finding{rule: "published_port", from: strict, parameter: p.Published, subject: subject,
			what: fmt.Sprintf("ports: %s", shownPort(p))}
		first, _, ok := ports(p.Published)
		switch {
		case everywhere(p.HostIP):
			f.why = "it is published on all of the host's addresses, past its firewall"
			f.remedy = "publish it on one address, such as 127.0.0.1, or put the service behind a proxy"
		case ok && first < privilegedPorts:
			f.why = "ports below 1024 are those of the host's own services"
			f.remedy = "publish a higher one"
		default:
			continue
		}
		j.find(f)
	}
}

// everywhere reports whether an address stands for all of the host's.
func everywhere(ip string) bool {
	if ip == "" {
		return true
	}
	a, err := netip.ParseAddr(ip)
	return err != nil || a.Unmap().IsUnspecified()
}

func shownPort(p types.ServicePortConfig) string {
	text := fmt.Sprintf("%s:%d", p.Published, p.Target)
	if p.HostIP != "" {
		text = p.HostIP + ":" + text
	}
	return text
}
