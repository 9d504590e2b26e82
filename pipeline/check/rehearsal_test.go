package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"deployer/internal/acmetest"
	"deployer/project"
	"deployer/state"
)

func portNumber(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// freePort is one that nothing listens on.
func freePort(t *testing.T) string {
	_, port, err := net.SplitHostPort(closed(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A dress is a stack, a CA and a DNS server for one rehearsal.
type dress struct {
	http, tls string // ports of this server
	names     *zone
	ca        *acmetest.CA
}

func dressUp(t *testing.T) dress {
	t.Helper()
	d := dress{http: freePort(t), tls: freePort(t), names: &zone{records: "registry.acme-widgets.fr. 60 IN A 127.0.0.1\n"}}
	d.ca = acmetest.Start(t, acmetest.Options{
		HTTPPort: portNumber(t, d.http), TLSPort: portNumber(t, d.tls),
		DNS: "127.0.0.1:" + d.names.serve(t, "127.0.0.1", "0"), Blocked: []string{"blocked.acme-widgets.fr"},
	})
	return d
}

// world is a stack with the CA's certificate beside its files.
func (d dress) world(t *testing.T, files committedFiles, engine Engine) *World {
	t.Helper()
	files["reg/ca.pem"] = string(d.ca.TLSRoot)
	w := files.world(t, "reg", nil)
	w.Engine = engine
	return w
}

// trusting is a client that trusts one certificate.
func trusting(t *testing.T, pem []byte) *http.Client {
	t.Helper()
	return &http.Client{Transport: &http.Transport{TLSClientConfig: poolOf(t, commit(pem))}}
}

func (d dress) fields(more string) string {
	return fmt.Sprintf("{check: acme_rehearsal, directory: '%s', ca: ca.pem, http_address: '127.0.0.1:%s', tls_address: '127.0.0.1:%s'%s}", d.ca.Directory, d.http, d.tls, more)
}

const byHTTP = "httpChallenge: {entryPoint: web}"

func TestACertificateIsRehearsed(t *testing.T) {
	d := dressUp(t)
	for name, tt := range map[string]struct {
		replace []string
		fields  string
		names   string // records of the DNS; empty: the right ones
		status  state.StepStatus
		parts   []string
	}{
		"by TLS":               {nil, "", "", state.StepPassed, []string{"tlsChallenge proved registry.acme-widgets.fr on port " + d.tls, "Pebble Intermediate CA"}},
		"by HTTP":              {[]string{"tlsChallenge: {}", byHTTP}, "", "", state.StepPassed, []string{"httpChallenge proved registry.acme-widgets.fr on port " + d.http}},
		"two names":            {[]string{"Host(`registry.acme-widgets.fr`)", "Host(`registry.acme-widgets.fr`) || Host(`r2.acme-widgets.fr`)"}, "", "registry.acme-widgets.fr. 60 IN A 127.0.0.1\nr2.acme-widgets.fr. 60 IN A 127.0.0.1\n", state.StepPassed, []string{"r2.acme-widgets.fr, registry.acme-widgets.fr"}},
		"hosts":                {nil, ", hosts: [r3.acme-widgets.fr]", "r3.acme-widgets.fr. 60 IN A 127.0.0.1\n", state.StepPassed, []string{"tlsChallenge proved r3.acme-widgets.fr"}},
		"no proxy":             {[]string{"traefik:v3.6", "caddy:2"}, ", hosts: [registry.acme-widgets.fr], challenge: http", "", state.StepPassed, []string{"httpChallenge"}},
		"DNS is wrong":         {nil, "", "other. 60 IN A 127.0.0.1\n", state.StepFailed, []string{"registry.acme-widgets.fr: the CA says", "registry.acme-widgets.fr"}},
		"DNS elsewhere":        {nil, "", "registry.acme-widgets.fr. 60 IN A 127.0.0.77\n", state.StepFailed, []string{"the CA says connection", "firewall"}},
		"refused name":         {[]string{"registry.acme-widgets.fr", "blocked.acme-widgets.fr"}, "", "", state.StepFailed, []string{"the CA says rejectedIdentifier"}},
		"no resolver is asked": {[]string{"certresolver: le", "certresolver: ''", "registry.tls: \"true\"", "registry.tls: \"false\""}, "", "", state.StepSkipped, []string{"no router asks"}},
		"by DNS":               {[]string{"tlsChallenge: {}", "dnsChallenge: {provider: ovh}"}, "", "", state.StepSkipped, []string{"resolver le proves its names by DNS"}},
		"no challenge":         {[]string{"      tlsChallenge: {}\n", ""}, "", "", state.StepFailed, []string{"has no challenge"}},
	} {
		t.Run(name, func(t *testing.T) {
			d.names.set("registry.acme-widgets.fr. 60 IN A 127.0.0.1\n")
			if tt.names != "" {
				d.names.set(tt.names)
			}
			w := d.world(t, both(tt.replace...), onHost(true))
			want(t, run(t, d.fields(tt.fields), w), tt.status, tt.parts...)
		})
	}
	w := d.world(t, both(), onHost(false))
	want(t, run(t, d.fields(""), w), state.StepSkipped, "not this machine")
	w = d.world(t, both("tlsChallenge: {}", "tlsChallenge: {}\n      caServer: https://ca.internal/acme"), onHost(true))
	want(t, run(t, "{check: acme_rehearsal}", w), state.StepSkipped, "staging side of https://ca.internal/acme is not known")
	want(t, run(t, "{check: acme_rehearsal, directory: 'https://"+closed(t)+"/dir', hosts: [a.org], challenge: http, http_address: '127.0.0.1:"+d.http+"'}", w),
		state.StepWarned, "not proven", "connection refused")
	want(t, run(t, "{check: acme_rehearsal, challenge: \"${C}\"}", &World{Env: environment(public("C", "dns"))}), state.StepFailed, "neither http nor tls")
}

// A holder is a container that holds a port, as this test plays it.
type holder struct {
	t       *testing.T
	address string
	l       net.Listener
	stops   atomic.Int32
	starts  atomic.Int32
	broken  error // of its start
}

func hold(t *testing.T, port string) *holder {
	h := &holder{t: t, address: "127.0.0.1:" + port}
	h.start()
	t.Cleanup(func() { _ = h.l.Close() })
	return h
}

func (h *holder) start() {
	var err error
	if h.l, err = net.Listen("tcp", h.address); err != nil {
		h.t.Fatal(err)
	}
	go func(l net.Listener) { // it has no certificate to serve
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}(h.l)
}

func (h *holder) makeRoom(_ context.Context, id, name string) (func(context.Context) error, error) {
	h.stops.Add(1)
	if id != "c1" || name != "shop-proxy-1" {
		h.t.Errorf("asked to stop %s %s", id, name)
	}
	_ = h.l.Close()
	return func(context.Context) error {
		h.starts.Add(1)
		if h.broken == nil {
			h.start() // fails the test where the port is not free again
		}
		return h.broken
	}, nil
}

func TestTheProxyMakesRoomForTheRehearsal(t *testing.T) {
	d := dressUp(t)
	published := project.Published{ContainerID: "c1", Container: "shop-proxy-1", Project: "shop", Service: "proxy", Address: "0.0.0.0", HostPort: portNumber(t, d.tls), Port: 443, Protocol: "tcp"}
	h := hold(t, d.tls)
	w := d.world(t, both(), onHost(true, published))
	w.MakeRoom = h.makeRoom

	want(t, run(t, d.fields(""), w), state.StepPassed, "shop-proxy-1 made room for")
	if h.stops.Load() != 1 || h.starts.Load() != 1 {
		t.Fatalf("%d stops, %d starts", h.stops.Load(), h.starts.Load())
	}

	d.names.set("other. 60 IN A 127.0.0.1\n")
	want(t, run(t, d.fields(""), w), state.StepFailed, "the CA says")
	if h.stops.Load() != 2 || h.starts.Load() != 2 {
		t.Fatalf("after a failure: %d stops, %d starts", h.stops.Load(), h.starts.Load())
	}
	d.names.set("registry.acme-widgets.fr. 60 IN A 127.0.0.1\n")

	h.broken = errors.New("no such image")
	want(t, run(t, d.fields(""), w), state.StepFailed, "no such image", "docker start shop-proxy-1")
	h.start()

	published.Project, published.Container = "other", "other-proxy-1"
	w.Engine = onHost(true, published)
	want(t, run(t, d.fields(""), w), state.StepFailed, "held by container other-proxy-1 of project other")

	w.Engine = onHost(true) // a process that is no container
	before := h.stops.Load()
	want(t, run(t, d.fields(", challenge: tls"), w), state.StepFailed, "cannot listen on port "+d.tls, "ss -ltnp")
	if h.stops.Load() != before {
		t.Error("something was stopped")
	}
}

func TestNoRehearsalWhereAValidCertificateIsServed(t *testing.T) {
	port, root := tlsServer(t, leaf{names: []string{"registry.acme-widgets.fr"}}, nil)
	w := both().world(t, "reg", nil)
	w.Engine, w.Client = onHost(true), trusting(t, root)
	fields := "{check: acme_rehearsal, directory: 'https://" + closed(t) + "/dir', tls_address: '127.0.0.1:" + port + "'%s}"
	want(t, run(t, fmt.Sprintf(fields, ""), w), state.StepSkipped, "a valid certificate is served already, until")
	want(t, run(t, fmt.Sprintf(fields, ", hosts: [other.acme-widgets.fr]"), w), state.StepWarned, "not proven") // not for this name: it asks the CA
	w.Client = nil
	want(t, run(t, fmt.Sprintf(fields, ""), w), state.StepWarned, "not proven") // nobody trusts it
}
