package check

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/net/dns/dnsmessage"

	"deployer/project"
	"deployer/state"
)

// nameServer answers 127.0.0.1 for the given names, and NXDOMAIN for all
// others, as a resolver of the test's own.
func nameServer(t *testing.T, names ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RCode, m.Additionals = true, dnsmessage.RCodeNameError, nil
			q := m.Questions[0]
			for _, name := range names {
				if q.Name.String() != name+"." {
					continue
				}
				m.RCode = dnsmessage.RCodeSuccess
				if q.Type == dnsmessage.TypeA {
					m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
				}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// way is the world of a registry behind Traefik, in order in all its parts.
type way struct {
	rule, upstream string
	labels         map[string]string
	containers     []project.Container
	logs           string
	resolver       *net.Resolver
}

func newWay(t *testing.T) *way {
	backend := serve(t, func(http.ResponseWriter, *http.Request) {})
	registry := with(running("registry"), func(k *project.Container) { k.Addresses, k.Health = []string{"127.0.0.1"}, "healthy" })
	return &way{
		rule: "Host(`registry.example.org`)", upstream: backend[strings.LastIndex(backend, ":")+1:], labels: map[string]string{},
		containers: []project.Container{running("traefik"), registry}, logs: "listens\n",
		resolver: nameServer(t, "registry.example.org"),
	}
}

func (y *way) world() *World {
	registry := types.ServiceConfig{Name: "registry", Restart: "always"}
	registry.Labels = types.Labels{"traefik.http.routers.registry.rule": y.rule, "traefik.http.services.registry.loadbalancer.server.port": y.upstream}
	for label, value := range y.labels {
		registry.Labels[label] = value
	}
	return &World{Project: projectOf(registry, types.ServiceConfig{Name: "traefik", Restart: "always"}), Resolve: y.resolver,
		Engine: &fakeEngine{logs: y.logs, containers: func() ([]project.Container, error) { return y.containers, nil }}}
}

func TestDiagnosisFindsTheFirstBrokenLink(t *testing.T) {
	stand, _ := certificate(t, leaf{commonName: "TRAEFIK DEFAULT CERT", names: []string{"x.traefik.default"}})
	port := tlsServing(t, stand)
	shut := closed(t)
	shut = shut[strings.LastIndex(shut, ":")+1:]
	exited := func(k *project.Container) { k.State, k.ExitCode, k.Addresses = "exited", 3, nil }
	for _, tt := range []struct {
		name   string
		spoil  func(y *way)
		port   string
		parts  []string
		absent string
	}{
		{"nothing but the certificate", nil, port, []string{"presents Traefik's default certificate",
			"\nin order: DNS: 127.0.0.1; port: open; route: router registry of registry; service: registry answers on 127.0.0.1:"}, "why:"},
		{"DNS", func(y *way) { y.resolver = nameServer(t) }, port, []string{"\nwhy: DNS: no such host: registry.example.org", "make a DNS record"}, "in order"},
		{"port", nil, shut, []string{"\nwhy: port: connection refused", "in order: DNS: 127.0.0.1", "see that the proxy publishes it"}, "route:"},
		{"the proxy is down", func(y *way) { y.containers[0] = with(y.containers[0], exited); y.logs = "bad flag\n" }, shut,
			[]string{"\nwhy: proxy: shop-traefik-1 exited with code 3\nits last lines:\nbad flag"}, ""},
		{"no router", func(y *way) { y.rule = "Host(`other.example.org`)" }, port, []string{"\nwhy: route: no router of the project's labels takes registry.example.org", "routers.NAME.rule"}, "service:"},
		{"turned off", func(y *way) { y.labels["traefik.enable"] = "false" }, port, []string{"turned off by traefik.enable=false"}, ""},
		{"the container died", func(y *way) { y.containers[1] = with(y.containers[1], exited); y.logs = "panic: no config\n" }, port,
			[]string{"\nwhy: route: router registry of registry: shop-registry-1 exited with code 3, so Traefik does not route to it\nits last lines:\npanic: no config", "read its log"}, ""},
		{"the container is unhealthy", func(y *way) {
			y.containers[1] = with(y.containers[1], func(k *project.Container) { k.Health = "unhealthy" })
		}, port, []string{"shop-registry-1 is unhealthy, so Traefik does not route to it"}, ""},
		{"no container", func(y *way) { y.containers = y.containers[:1] }, port, []string{"registry has no container"}, ""},
		{"the service does not listen", func(y *way) { y.upstream = shut }, port,
			[]string{"\nwhy: service: registry does not listen on port " + shut, "its last lines:\nlistens", "not on 127.0.0.1 alone"}, ""},
		{"the CA refuses", func(y *way) { y.logs = strings.ReplaceAll(acmeFailed, "a.example.org", "registry.example.org") }, port,
			[]string{"\nwhy: certificate: registry.example.org: the CA did not find the name in DNS\ntraefik | Unable to obtain ACME", "make an A record"}, ""},
		{"the CA refuses another name", func(y *way) { y.logs = acmeFailed }, port, []string{"in order: DNS"}, "why:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newWay(t)
			if tt.spoil != nil {
				tt.spoil(y)
			}
			w := y.world()
			spec := parse(t, "{check: tls, host: 'registry.example.org:"+tt.port+"'}")
			r := Diagnose(t.Context(), spec, w, Run(t.Context(), spec, w))
			want(t, r, state.StepFailed, tt.parts...)
			if tt.absent != "" {
				never(t, r, tt.absent)
			}
		})
	}
}

func TestDiagnosisShowsTheContainerThatDied(t *testing.T) {
	y := newWay(t)
	y.logs = "panic: no config\n"
	y.containers[1] = with(y.containers[1], func(k *project.Container) { k.State, k.ExitCode = "exited", 3 })
	w := y.world()
	w.Engine.(*fakeEngine).exec = func(string, []string) (project.ExecResult, error) { return project.ExecResult{ExitCode: 1}, nil }
	for _, source := range []string{
		"{check: tcp, address: '" + closed(t) + "'}", "{check: exec, service: registry, command: [true]}", "{check: http, url: 'http://" + closed(t) + "'}",
	} {
		spec := parse(t, source)
		r := Diagnose(t.Context(), spec, w, Run(t.Context(), spec, w))
		want(t, r, state.StepFailed, "shop-registry-1 exited with code 3\nits last lines:\npanic: no config")
	}
}

func TestDiagnosisLeavesWhatIsNoFailure(t *testing.T) {
	w := newWay(t).world()
	spec := parse(t, "{check: tls, host: registry.example.org}")
	for _, r := range []Result{passed("fine"), warned("so so", "look"), skipped("no")} {
		if got := Diagnose(t.Context(), spec, w, r); got != r {
			t.Errorf("%+v became %+v", r, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := Diagnose(ctx, spec, w, failed("canceled", "")); got.Message != "canceled" {
		t.Errorf("got %+v", got)
	}
}
