package check

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A pebble is a real ACME server that looks at ports of its own and asks a DNS
// server of the test.
type pebble struct {
	directory string
	pem       []byte // of the certificate that it serves its directory with
}

// startPebble runs it until the test ends. It builds it where it never ran.
func startPebble(t *testing.T, httpPort, tlsPort, dnsServer string, blocked ...string) pebble {
	t.Helper()
	dir := t.TempDir()
	pair, certificatePEM := certificate(t, leaf{})
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	listen := closed(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": "",
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": portNumber(t, httpPort), "tlsPort": portNumber(t, tlsPort), "domainBlocklist": blocked,
		"retryAfter":   map[string]int{"authz": 1, "order": 1},
		"keyAlgorithm": "ecdsa", "profiles": map[string]any{"default": map[string]any{"description": "d", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"cert.pem": certificatePEM, "pebble.json": config,
		"key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "../../scripts/tool", "pebble", "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", dnsServer)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	p := pebble{"https://localhost:" + listen[len("127.0.0.1:"):] + "/dir", certificatePEM}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: poolOf(t, commit(certificatePEM))}}
	for late := time.After(5 * time.Minute); ; {
		if answer, err := client.Get(p.directory); err == nil {
			_ = answer.Body.Close()
			return p
		}
		select {
		case <-ended:
			t.Fatalf("pebble has ended:\n%s", &said)
		case <-late:
			t.Fatal("pebble does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// world is a commit with the CA's certificate beside its files.
func (p pebble) world(t *testing.T, files committedFiles, engine Engine) *World {
	t.Helper()
	files["reg/ca.pem"] = string(p.pem)
	w := files.world(t, "reg", nil)
	w.Engine = engine
	return w
}

// trusting is a client that trusts one certificate.
func trusting(t *testing.T, certificatePEM []byte) *http.Client {
	t.Helper()
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: poolOf(t, commit(certificatePEM)).RootCAs, MinVersion: tls.VersionTLS12}}}
}
