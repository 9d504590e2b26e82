package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// opened are the only routes that may answer without a token.
var opened = map[string]bool{
	"POST /hooks/:repository":  true, // signed
	"GET /api/v1/openapi.yaml": true,
	"GET /healthz":             true,
	"GET /readyz":              true,
	"GET /login":               true,
	"POST /login":              true,
	"GET /static/style.css":    true,
}

var parts = strings.NewReplacer(":stack", "registry", ":run", "none", ":release", "none", ":backup", "none", ":repository", "infra")

func TestEveryRouteAsksForItsRole(t *testing.T) {
	f := newFixture(t)
	roles := map[string]route{}
	for _, r := range f.routes() {
		roles[r.method+" "+r.path] = r
	}
	registered := f.echo.Routes()
	if len(registered) != len(roles) {
		t.Errorf("%d routes are registered, the table has %d", len(registered), len(roles))
	}
	for _, registered := range registered {
		name := registered.Method + " " + registered.Path
		r, ok := roles[name]
		if !ok {
			t.Errorf("%s is not in the table", name)
			continue
		}
		if opened[strings.Replace(name, "HEAD ", "GET ", 1)] != (r.role == open) {
			t.Errorf("%s is open: %t", name, r.role == open)
		}
		if r.role == open {
			continue
		}
		path := parts.Replace(r.path)
		f.call(open, r.method, path, "").expect(t, http.StatusUnauthorized)
		if r.page {
			f.call(RoleAdmin, r.method, path, "").expect(t, http.StatusUnauthorized)
			continue
		}
		for _, role := range ranks {
			a := f.call(role, r.method, path, "")
			if forbidden := !role.includes(r.role); forbidden != (a.StatusCode == http.StatusForbidden) {
				t.Errorf("%s with the role %s answered %d", name, role, a.StatusCode)
			}
		}
	}
}

func TestWhatIsNotInTheTableIsNotThere(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/api/v1/runs/x/promote", "/api/v1/secrets", "/api/", "/.git/config", "/debug/pprof/", "/static/../server.go"} {
		f.call(RoleAdmin, http.MethodGet, path, "").expect(t, http.StatusNotFound)
	}
	a := f.call(RoleAdmin, http.MethodPatch, "/api/v1/stacks", "").expect(t, http.StatusMethodNotAllowed)
	if a.Header.Get("Allow") == "" {
		t.Error("the methods that are allowed are not named")
	}
}

// Monitors ask with HEAD: what GET shows answers it, without the body, and to
// nobody else.
func TestHeadIsAnsweredAsGetIs(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/healthz", "/readyz", "/login"} {
		f.call(open, http.MethodHead, path, "").expect(t, http.StatusOK)
	}
	f.call(open, http.MethodHead, "/api/v1/stacks", "").expect(t, http.StatusUnauthorized)
	f.call(RoleViewer, http.MethodHead, "/api/v1/audit", "").expect(t, http.StatusForbidden)
	f.call(RoleViewer, http.MethodHead, "/api/v1/runs/none", "").expect(t, http.StatusNotFound)
	get, head := f.call(RoleViewer, http.MethodGet, "/api/v1/stacks", ""), f.call(RoleViewer, http.MethodHead, "/api/v1/stacks", "")
	head.expect(t, http.StatusOK)
	if head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
		t.Errorf("HEAD says %q, GET %q", head.Header.Get("Content-Type"), get.Header.Get("Content-Type"))
	}
	f.call(RoleAdmin, http.MethodHead, "/api/v1/snapshot", "").expect(t, http.StatusMethodNotAllowed)
}

func TestCredentialsOfAnyOtherFormAreRefused(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.FailedAuth = 100 })
	hash := tokenOf(RoleAdmin).SHA256
	for _, header := range []string{
		"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + secretOf[RoleAdmin], secretOf[RoleAdmin],
		fmt.Sprintf("Bearer %x", hash), "Bearer " + string(hash[:4]) + "x",
	} {
		req := f.request(open, http.MethodGet, "/api/v1/stacks", "")
		req.Header["Authorization"] = []string{strings.Map(printable, header)}
		f.do(req).expect(t, http.StatusUnauthorized)
	}
	f.call(open, http.MethodGet, "/api/v1/stacks?token="+secretOf[RoleAdmin], "").expect(t, http.StatusUnauthorized)
	req := f.request(open, http.MethodGet, "/api/v1/stacks", "")
	req.Header.Set("Authorization", "bearer "+secretOf[RoleViewer])
	f.do(req).expect(t, http.StatusOK)
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return 'x'
	}
	return r
}

func TestRolesThatAreNotKnownAllowNothing(t *testing.T) {
	for _, r := range []Role{"", "root", "Admin"} {
		if r.includes(RoleViewer) {
			t.Errorf("%q includes viewer", r)
		}
	}
	if RoleAdmin.includes("") || RoleAdmin.includes("root") {
		t.Error("a role that is not known can be had")
	}
}

func TestGuessingTokensIsSlowedDown(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(o *Options) {
		o.FailedAuth = 3
		o.Now = func() time.Time { return now }
	})
	guess := func() answer {
		req := f.request(open, http.MethodGet, "/api/v1/stacks", "")
		req.Header.Set("Authorization", "Bearer guess")
		return f.do(req)
	}
	for range 3 {
		guess().expect(t, http.StatusUnauthorized)
	}
	if a := guess().expect(t, http.StatusTooManyRequests); a.Header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
	f.call(RoleAdmin, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusTooManyRequests)
	f.call(open, http.MethodGet, "/healthz", "").expect(t, http.StatusOK)
	now = now.Add(time.Minute)
	f.call(RoleAdmin, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusOK)

	// One script with an old token does not keep the others of its address out.
	for range 3 {
		guess().expect(t, http.StatusUnauthorized)
	}
	guess().expect(t, http.StatusTooManyRequests)
	f.call(RoleAdmin, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusOK)
	f.call(RoleViewer, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusTooManyRequests)
}

func TestLimiterForgetsTokensBeyondItsBound(t *testing.T) {
	var l limiter
	for i := range 2*maxProofs + 1 {
		l.succeeded("192.0.2.1", [32]byte{byte(i), byte(i >> 8)})
	}
	if len(l.proofs) > maxProofs {
		t.Errorf("%d tokens are remembered", len(l.proofs))
	}
}

func TestLimiterStaysSmall(t *testing.T) {
	l := limiter{perMinute: 1}
	now := time.Now()
	for i := range 2 * maxRemotes {
		l.failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String(), now)
	}
	if len(l.counts) > maxRemotes+1 {
		t.Errorf("%d addresses are kept", len(l.counts))
	}
	if l.blocked("2001:db8::1", now) == 0 {
		t.Error("an address beyond the bound is not limited")
	}
}

func TestLimiterTakesAnIPv6NetworkForOneParty(t *testing.T) {
	l := limiter{perMinute: 1}
	now := time.Now()
	l.failed("2001:db8::1", now)
	if l.blocked("2001:db8::2", now) == 0 || l.blocked("2001:db8:0:1::1", now) != 0 {
		t.Error("a /64 is not one bucket")
	}
}

func TestForwardedAddressesCountFromTrustedProxiesOnly(t *testing.T) {
	for _, tc := range []struct {
		name      string
		trusted   []netip.Prefix
		forwarded string
		want      string
	}{
		{"nobody is trusted", nil, "203.0.113.9", "127.0.0.1"},
		{"another network is trusted", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "203.0.113.9", "127.0.0.1"},
		{"the proxy is trusted", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "203.0.113.9", "203.0.113.9"},
		{"what the client made up stands further left", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}, "1.2.3.4, 203.0.113.9", "203.0.113.9"},
		{"nonsense is not believed", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "me", "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.TrustedProxies = tc.trusted })
			req := f.request(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/deploy", "")
			req.Header.Set("X-Forwarded-For", tc.forwarded)
			f.do(req).expect(t, http.StatusAccepted)
			got := decodeAs[auditList](t, f.call(RoleAdmin, http.MethodGet, "/api/v1/audit", ""))
			if got.Entries[0].Remote != tc.want {
				t.Errorf("the request came from %s, expected %s", got.Entries[0].Remote, tc.want)
			}
		})
	}
}

func TestReloadReplacesTokensAndHooks(t *testing.T) {
	f := newFixture(t)
	f.Reload(Access{Tokens: []Token{tokenOf(RoleViewer)}})
	f.call(RoleViewer, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusOK)
	f.call(RoleAdmin, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusUnauthorized)
	f.deliver("infra", push(commitA), nil).expect(t, http.StatusNotFound)
}
