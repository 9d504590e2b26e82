package e2e

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/acmetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A rehearsed is a product whose proxy holds the port that a CA looks at.
type rehearsed struct {
	*product
	image, port string
	ca          *acmetest.CA
}

func newRehearsed(t *testing.T, dns string) *rehearsed {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	n, _ := strconv.Atoi(port)
	p := newProduct(t)
	return &rehearsed{p, p.Image(), port, acmetest.Start(t, acmetest.Options{HTTPPort: n, TLSPort: n, DNS: dns})}
}

// files are a proxy, a service behind it in some version, and the checks before.
func (r *rehearsed) files(version, checks string) gittest.Files {
	return gittest.Files{
		"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  proxy:
    image: %[1]s
    restart: always
    ports: ["127.0.0.1:%[2]s:8080"]
    volumes: ["./traefik.yml:/etc/traefik/traefik.yml:ro", "acme:/acme"]
  web:
    image: %[1]s
    environment: {VERSION: "%[3]s"}
    labels:
      traefik.http.routers.web.rule: Host(`+"`web.acme-widgets.fr`"+`)
      traefik.http.routers.web.entrypoints: websecure
      traefik.http.routers.web.tls.certresolver: le
volumes: {acme: {}}
`, r.image, r.port, version)),
		"traefik.yml": gittest.Text(`entryPoints: {websecure: {address: ":8080"}}
certificatesResolvers: {le: {acme: {tlsChallenge: {}, email: ops@acme-widgets.fr, storage: /acme/acme.json}}}
`),
		"ca.pem":        gittest.Text(string(r.ca.TLSRoot)),
		"pipeline.yaml": gittest.Text("preflight: [" + checks + "]\n"),
	}
}

func (r *rehearsed) check() string {
	return fmt.Sprintf("{check: acme_rehearsal, service: proxy, directory: %q, ca: ca.pem, tls_address: 127.0.0.1:%s}", r.ca.Directory, r.port)
}

func (r *rehearsed) proxyRuns() bool {
	r.T.Helper()
	full, err := r.Engine.ContainerInspect(r.T.Context(), r.Containers()["proxy"])
	if err != nil {
		r.T.Fatal(err)
	}
	return full.State.Running
}

// The proxy that holds the port makes room for the CA's look, and is the same
// container afterwards.
func TestARehearsalUsesTheProxysPort(t *testing.T) {
	t.Parallel()
	r := newRehearsed(t, "")
	_, run := r.Push("as in development", r.files("1", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	proxy := r.Containers()["proxy"]

	_, run = r.Push("with a certificate", r.files("2", r.check()))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if log := r.RunLog(run.ID); !strings.Contains(log, "tlsChallenge proved web.acme-widgets.fr on port "+r.port) || !strings.Contains(log, "made room for") {
		t.Errorf("the log:\n%s", log)
	}
	if got := r.Containers()["proxy"]; got != proxy || !r.proxyRuns() {
		t.Errorf("the proxy was %s, and is %s", proxy, got)
	}
}

// A server that is killed while the proxy has made room starts it again first
// thing at its next start.
func TestKilledInARehearsalTheProxyComesBack(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0") // so that the CA looks for long
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := newRehearsed(t, silent.LocalAddr().String())
	_, run := r.Push("as in development", r.files("1", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	proxy := r.Containers()["proxy"]

	_, id := r.Begin("with a certificate", r.files("2", r.check()))
	r.Eventually(time.Minute, "the proxy made room", func() bool { return !r.proxyRuns() })
	r.Kill()
	if r.proxyRuns() {
		t.Fatal("it runs, although nobody started it again")
	}
	r.Start()
	run = r.Wait(id)
	producttest.MustEnd(t, run, state.RunFailed) // the CA still gets no answer
	if !strings.Contains(r.Log.String(), "started a container again that was stopped for a check") {
		t.Error("the next start did not start it")
	}
	if got := r.Containers()["proxy"]; got != proxy || !r.proxyRuns() {
		t.Errorf("the proxy was %s, and is %s; it runs: %t", proxy, got, r.proxyRuns())
	}
}
