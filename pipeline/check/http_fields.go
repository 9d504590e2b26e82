package check

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// An endpoint is the URL of an HTTP service.
type endpoint struct{ text }

func (e *endpoint) set(t text) error {
	u, err := url.Parse(t.plain)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a URL", t)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q does not start with http:// or https://", t)
	case u.Hostname() == "":
		return fmt.Errorf("%q names no host", t)
	case u.User != nil:
		return fmt.Errorf("credentials do not belong into the URL: write basic: {username, password}")
	}
	e.text = t
	return nil
}

// method is an HTTP method.
type method string

func (m *method) set(t text) error {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost,
		http.MethodPut, http.MethodPatch, http.MethodDelete}
	upper := strings.ToUpper(t.plain)
	if !slices.Contains(methods, upper) {
		return fmt.Errorf("%q is not a method; known are %s", t, strings.Join(methods, ", "))
	}
	*m = method(upper)
	return nil
}

// redirects says what to do about a response that points elsewhere.
type redirects string

const (
	redirectsFollow redirects = "follow"
	redirectsStop   redirects = "stop"
)

func (r *redirects) set(t text) error {
	if !slices.Contains([]redirects{redirectsFollow, redirectsStop}, redirects(t.plain)) {
		return fmt.Errorf("%q is neither follow nor stop", t)
	}
	*r = redirects(t.plain)
	return nil
}

// A statusRange is a status code, or all of a class, written 2xx.
type statusRange struct{ low, high int }

func (s *statusRange) set(t text) error {
	if class, ok := strings.CutSuffix(strings.ToLower(t.plain), "xx"); ok && len(class) == 1 && class >= "1" && class <= "5" {
		s.low = int(class[0]-'0') * 100
		s.high = s.low + 99
		return nil
	}
	code, err := strconv.Atoi(t.plain)
	if err != nil || code < 100 || code > 599 {
		return fmt.Errorf("%q is not a status; write 200 or 2xx", t)
	}
	*s = statusRange{code, code}
	return nil
}

func (s statusRange) holds(code int) bool { return s.low <= code && code <= s.high }

func (s statusRange) String() string {
	if s.low != s.high {
		return fmt.Sprintf("%dxx", s.low/100)
	}
	return strconv.Itoa(s.low)
}

// anyOf lists ranges for a sentence.
func anyOf(ranges []statusRange) string {
	words := make([]string, len(ranges))
	for i, s := range ranges {
		words[i] = s.String()
	}
	return strings.Join(words, " or ")
}

// An override says where to connect in place of what DNS says: an address for
// every host, or host:port:address for one, as curl's --resolve has it.
type override struct {
	hostPort string // empty: every host
	address  string // IP, or IP:port without hostPort
}

func (o *override) set(t text) error {
	if _, err := netip.ParseAddr(strings.Trim(t.plain, "[]")); err == nil {
		o.address = strings.Trim(t.plain, "[]")
		return nil
	}
	if _, err := netip.ParseAddrPort(t.plain); err == nil {
		o.address = t.plain
		return nil
	}
	parts := strings.SplitN(t.plain, ":", 3)
	if len(parts) == 3 {
		address := strings.Trim(parts[2], "[]")
		if _, err := netip.ParseAddr(address); err == nil && parts[0] != "" && isPort(parts[1]) {
			*o = override{net.JoinHostPort(parts[0], parts[1]), address}
			return nil
		}
	}
	return fmt.Errorf("%q is neither an address such as 127.0.0.1 or 127.0.0.1:8443, nor host:port:address", t)
}

// overridden returns where to connect for a host and port.
func (c *httpCheck) overridden(hostPort string) string {
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	for _, o := range c.Resolve {
		if o.hostPort != "" && !strings.EqualFold(o.hostPort, hostPort) {
			continue
		}
		if _, err := netip.ParseAddrPort(o.address); err == nil {
			return o.address
		}
		return net.JoinHostPort(o.address, port)
	}
	return hostPort
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
