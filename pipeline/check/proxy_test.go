package check

import (
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
	"deployer/state"
)

// A realProxy is Traefik with Pebble as its CA. DNS has good.example.org, and
// not bad.example.org, which has a router too.
type realProxy struct {
	port, plain string // of TLS, and of HTTP
	ca          string // host:port of the CA
	world       *World
}

func startProxy(t *testing.T) realProxy {
	t.Helper()
	dir, ports := t.TempDir(), make([]string, 5)
	for i := range ports {
		ports[i] = closed(t)
	}
	secure, plain, gullible, ca, management := ports[0], ports[1], ports[2], ports[3], ports[4]
	backend := serve(t, func(http.ResponseWriter, *http.Request) {})
	pair, pem := certificate(t, leaf{names: []string{"localhost"}})
	write(t, dir, map[string]string{
		"cert.pem": string(pem), "key.pem": keyPEM(t, pair),
		"pebble.json": fmt.Sprintf(`{"pebble": {"listenAddress": %q, "managementListenAddress": %q, "certificate": "%[3]s/cert.pem", "privateKey": "%[3]s/key.pem",
			"httpPort": 5, "tlsPort": %[4]s, "keyAlgorithm": "ecdsa", "profiles": {"default": {"description": "d", "validityPeriod": 7776000}}}}`,
			ca, management, dir, portOfAddress(secure)),
		"traefik.yml": fmt.Sprintf(`
log: {level: INFO, noColor: true}
entryPoints:
  websecure: {address: %q}
  web: {address: %q}
  gullible: {address: %q, forwardedHeaders: {insecure: true}}
providers: {file: {filename: %[4]s/dynamic.yml}}
certificatesResolvers: {le: {acme: {caServer: "https://localhost:%[5]s/dir", email: ops@example.org, storage: %[4]s/acme.json, tlsChallenge: {}, keyType: EC256}}}
`, secure, plain, gullible, dir, portOfAddress(ca)),
		"dynamic.yml": strings.ReplaceAll(`
http:
  routers:
    good: {rule: "Host('good.example.org')", entryPoints: [websecure], service: web, tls: {certResolver: le}}
    bad: {rule: "Host('bad.example.org')", entryPoints: [websecure], service: web, tls: {certResolver: le}}
    strict: {rule: "PathPrefix('/')", entryPoints: [web], service: web, middlewares: [strict]}
    gullible: {rule: "PathPrefix('/')", entryPoints: [gullible], service: web, middlewares: [deep]}
  middlewares:
    strict: {ipAllowList: {sourceRange: [127.0.0.7]}}
    deep: {ipAllowList: {sourceRange: [127.0.0.7], ipStrategy: {depth: 1}}}
  services: {web: {loadBalancer: {servers: [{url: "`+backend+`"}]}}}
`, "'", "`"),
	})
	startTool(t, ca, []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"}, "pebble", "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", answering(t, "good.example.org"))
	log := startTool(t, secure, []string{"LEGO_CA_CERTIFICATES=" + filepath.Join(dir, "cert.pem")}, "traefik", "--configFile="+filepath.Join(dir, "traefik.yml"))

	w := commit(rootOf(t, management))
	bad := types.ServiceConfig{Name: "web", Restart: "always"}
	bad.Labels = types.Labels{"traefik.http.routers.bad.rule": "Host(`bad.example.org`)", "traefik.http.routers.bad.tls.certresolver": "le",
		"traefik.http.services.web.loadbalancer.server.port": portOfAddress(backend)}
	w.Project = projectOf(bad, types.ServiceConfig{Name: "traefik", Restart: "always"})
	w.Since = time.Now().Add(-time.Hour)
	web := with(running("web"), func(k *project.Container) { k.Addresses = []string{"127.0.0.1"} })
	w.Engine = &fakeEngine{
		containers: func() ([]project.Container, error) { return []project.Container{running("traefik"), web}, nil },
		written: func(id string) string {
			if id == "id-traefik" {
				return log.String()
			}
			return ""
		},
		file: func(string, string) (project.ContainerFile, error) {
			info, err := os.Stat(filepath.Join(dir, "acme.json"))
			if err != nil {
				return project.ContainerFile{}, fs.ErrNotExist
			}
			content, err := os.ReadFile(filepath.Join(dir, "acme.json"))
			return project.ContainerFile{Content: content, Mode: info.Mode().Perm()}, err
		},
	}
	return realProxy{port: portOfAddress(secure), plain: plain + " " + gullible, ca: "localhost:" + portOfAddress(ca), world: w}
}

func portOfAddress(address string) string { return address[strings.LastIndex(address, ":")+1:] }

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// rootOf is the certificate of Pebble's root, which is new at each start.
func rootOf(t *testing.T, management string) []byte {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := client.Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	root, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestOnARealProxy(t *testing.T) {
	p := startProxy(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.world.Engine.(*fakeEngine).written("id-traefik"))
		}
	})
	good := "{check: tls, host: 'good.example.org:" + p.port + "', ca: ca.pem, resolve: 127.0.0.1"
	want(t, run(t, good+", within: 40s}", p.world), state.StepPassed, "a certificate of Pebble Intermediate CA", "for good.example.org until", "89 days left")
	want(t, run(t, good+"}", &World{ReadFile: p.world.ReadFile}), state.StepPassed)

	acme := "{check: acme, port: " + p.port + ", resolve: 127.0.0.1, within: 20s, hosts: "
	want(t, run(t, acme+"good.example.org}", p.world), state.StepPassed, "stored: a certificate of Pebble Intermediate CA")
	want(t, run(t, "{check: acme, hosts: [good.example.org, bad.example.org], served: false}", p.world), state.StepFailed, "no certificate for bad.example.org is stored")

	for end := time.Now().Add(time.Minute); !strings.Contains(p.world.Engine.(*fakeEngine).written("id-traefik"), "Unable to obtain ACME certificate"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the proxy does not say that it got no certificate for bad.example.org")
		}
	}
	bad := parse(t, "{check: tls, host: 'bad.example.org:"+p.port+"', ca: ca.pem, resolve: 127.0.0.1}")
	r := Diagnose(t.Context(), bad, p.world, Run(t.Context(), bad, p.world))
	patient := run(t, "{check: tls, within: 5s, host: 'bad.example.org:"+p.port+"', ca: ca.pem, resolve: 127.0.0.1}", p.world)
	want(t, patient, state.StepFailed, "Traefik's default certificate")
	want(t, r, state.StepFailed, "Traefik's default certificate", "\nwhy: certificate: bad.example.org: the CA did not find the name in DNS\ntraefik | Unable to obtain ACME certificate",
		"route: router bad of web; service: web answers on", "make an A record")
	want(t, run(t, "{check: logs}", p.world), state.StepFailed, "bad.example.org: the CA did not find the name in DNS")
	never(t, run(t, "{check: logs}", p.world), "good.example.org")

	p.world.Issuances = &book{}
	budget := run(t, "{check: acme_budget, failures: 1, ca: '"+p.ca+"', hosts: good.example.org}", p.world)
	want(t, budget, state.StepFailed, "of 1 failed authorizations of bad.example.org in an hour: the CA takes the next at")
	never(t, budget, "good.example.org")
}

func TestAccessOnARealProxy(t *testing.T) {
	p := startProxy(t)
	strict, gullible, _ := strings.Cut(p.plain, " ")
	sides := "{check: access, allow_from: 127.0.0.7, deny_from: 127.0.0.8, within: 20s, url: 'http://"
	want(t, run(t, sides+strict+"/'}", &World{}), state.StepPassed, "127.0.0.8 is refused, 127.0.0.7 gets through (200)")
	forged := strings.Replace(sides, ", within: 20s", "", 1) + gullible + "/'}"
	want(t, run(t, forged, &World{}), state.StepFailed, "127.0.0.8 gets 200 with a forged X-Forwarded-For: 127.0.0.7")
}
