// Package acmetest owns the certificate authority of tests: a real Pebble,
// with the DNS server that it asks.
package acmetest

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"deployer/internal/enginetest"
)

// Options say where the CA looks for what proves a name, and what it issues.
type Options struct {
	HTTPPort, TLSPort int
	DNS               string        // host:port of the server that it asks; empty: one of its own
	Blocked           []string      // names that it gives no certificate for
	Validity          time.Duration // of a certificate; 0: 90 days
}

// A CA is a running Pebble.
type CA struct {
	t         testing.TB
	Port      int    // of its directory, /dir, on all addresses
	Directory string // on this machine
	DNS       string // host:port of its DNS server, UDP and TCP
	TLSRoot   []byte // PEM: of its own HTTPS; valid for localhost, this machine's and the Engine's gateway address
	manage    string
	records   string
	log       *lockedBuffer
}

// Start starts a CA that stops with the test.
func Start(t testing.TB, o Options) *CA {
	t.Helper()
	c := &CA{t: t, Port: FreePort(t), log: &lockedBuffer{}, DNS: o.DNS}
	dir := t.TempDir()
	manage := FreePort(t)
	c.Directory, c.manage = "https://"+local(c.Port)+"/dir", "https://"+local(manage)
	c.certificate(dir)
	if c.DNS == "" {
		c.DNS = c.names()
	}
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("0.0.0.0:%d", c.Port), "managementListenAddress": local(manage),
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": o.HTTPPort, "tlsPort": o.TLSPort, "keyAlgorithm": "ecdsa", "domainBlocklist": o.Blocked,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "of tests", "validityPeriod": int(cmp.Or(o.Validity, 90*24*time.Hour).Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	c.run("pebble", []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"}, "-config", file, "-dnsserver", c.DNS)
	c.ready()
	return c
}

// names starts a DNS server that says 127.0.0.1 for every name, unless Resolve
// has said another thing, and no IPv6 address.
func (c *CA) names() (address string) {
	c.t.Helper()
	address, c.records = local(FreePort(c.t)), local(FreePort(c.t))
	c.run("pebble-challtestsrv", nil, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-dnsserver", address, "-management", c.records, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
	return address
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// FreePort returns a port that nothing on this machine listens on now.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (c *CA) run(tool string, env []string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(enginetest.Tool(c.t, tool), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// certificate makes what Pebble's own HTTPS presents.
func (c *CA) certificate(dir string) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Pebble of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost", "pebble"}, IPAddresses: addresses(c.t),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.TLSRoot = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{
		"cert.pem": c.TLSRoot, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}

func addresses(t testing.TB) (out []net.IP) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			out = append(out, n.IP)
		}
	}
	return out
}

// client trusts Pebble's HTTPS.
func (c *CA) client() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.TLSRoot)
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func (c *CA) ready() {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := c.get(c.Directory); err == nil {
			return
		} else if time.Now().After(end) {
			c.t.Fatalf("Pebble does not answer: %v\n%s", err, c.log)
		}
	}
}

func (c *CA) get(url string) ([]byte, error) {
	response, err := c.client().Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}

// Root returns the certificate, as PEM, that the issued ones are signed by in
// the end.
func (c *CA) Root() []byte {
	c.t.Helper()
	root, err := c.get(c.manage + "/roots/0")
	if err != nil {
		c.t.Fatal(err)
	}
	return root
}

// Resolve makes its own DNS server answer for a name with IPv4 addresses; with
// an error where there are none.
func (c *CA) Resolve(host string, addresses ...string) {
	c.t.Helper()
	if len(addresses) == 0 {
		c.post("/clear-a", map[string]any{"host": host})
		c.post("/set-servfail", map[string]any{"host": host})
		return
	}
	c.post("/clear-servfail", map[string]any{"host": host})
	c.post("/clear-a", map[string]any{"host": host})
	c.post("/add-a", map[string]any{"host": host, "addresses": addresses})
}

func (c *CA) post(path string, body map[string]any) {
	c.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Post("http://"+c.records+path, "application/json", bytes.NewReader(raw))
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("%s answered %s", path, response.Status)
		}
		if time.Now().After(end) {
			c.t.Fatal(err)
		}
	}
}

// Log is what the CA and its DNS server have printed.
func (c *CA) Log() string { return c.log.String() }
