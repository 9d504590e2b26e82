// Package pebbletest owns what tests share of a real ACME server: Pebble, and
// the DNS server that it asks. scripts/tool builds both where they never ran.
package pebbletest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is for building, where that is needed, and starting.
const patience = 5 * time.Minute

// Options say where Pebble looks for what proves a name.
type Options struct {
	HTTPPort, TLSPort int
	DNS               string   // host:port of the server that it asks for names
	Blocked           []string // names that it gives no certificate for
}

// A Server is a Pebble that runs until the test ends.
type Server struct {
	Directory string // URL
	PEM       []byte // of the certificate that Directory is served with
}

// Start runs Pebble and waits until it answers.
func Start(t testing.TB, o Options) Server {
	t.Helper()
	dir, listen := t.TempDir(), free(t, "tcp")
	certificate, key := identity(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": "",
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": o.HTTPPort, "tlsPort": o.TLSPort, "domainBlocklist": o.Blocked,
		"retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": 7776000}},
	}})
	must(t, err)
	for name, content := range map[string][]byte{"cert.pem": certificate, "key.pem": key, "pebble.json": config} {
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	ended := run(t, "pebble", "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", o.DNS)
	_, port, _ := net.SplitHostPort(listen)
	s := Server{"https://localhost:" + port + "/dir", certificate}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	await(t, "pebble", ended, func() bool {
		answer, err := client.Get(s.Directory)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
	return s
}

// Names runs a DNS server that says 127.0.0.1 for every name, and no IPv6
// address. It returns where it listens.
func Names(t testing.TB) string {
	t.Helper()
	dns, management := free(t, "udp"), free(t, "tcp")
	ended := run(t, "pebble-challtestsrv", "-dnsserver", dns, "-management", management, "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	await(t, "pebble-challtestsrv", ended, func() bool {
		conn, err := net.Dial("tcp", management)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return dns
}

// run starts a tool. The channel is closed when it has ended; the test's log
// then has what it said.
func run(t testing.TB, name string, args ...string) <-chan struct{} {
	t.Helper()
	cmd := exec.Command(filepath.Join(root(t), "scripts", "tool"), append([]string{name}, args...)...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	var said output
	cmd.Stdout, cmd.Stderr = &said, &said
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", name, &said)
		}
	})
	return ended
}

func await(t testing.TB, name string, ended <-chan struct{}, ready func() bool) {
	t.Helper()
	for late := time.After(patience); !ready(); {
		select {
		case <-ended:
			t.Fatalf("%s has ended before it answered", name)
		case <-late:
			t.Fatalf("%s does not answer", name)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// root is the folder of the module.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the test does not run inside of the module")
		}
		dir = filepath.Dir(dir)
	}
}

// identity makes a certificate for localhost, and its key.
func identity(t testing.TB) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// free is an address of this machine that nothing listens on.
func free(t testing.TB, network string) string {
	t.Helper()
	if network == "udp" {
		conn, err := net.ListenPacket(network, "127.0.0.1:0")
		must(t, err)
		defer conn.Close()
		return conn.LocalAddr().String()
	}
	l, err := net.Listen(network, "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An output keeps what a program says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
