package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A leaf is what a test's certificate says; the default is for localhost and
// valid now.
type leaf struct {
	commonName string
	names      []string
	from       time.Time // default: two days ago
	until      time.Time
}

// certificate makes a self-signed certificate, and its PEM form.
func certificate(t *testing.T, l leaf) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if l.until.IsZero() {
		l.until = time.Now().Add(time.Hour)
	}
	if l.from.IsZero() {
		l.from = time.Now().Add(-48 * time.Hour)
	}
	if l.names == nil {
		l.names = []string{"localhost"}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: l.commonName}, DNSNames: l.names,
		NotBefore: l.from, NotAfter: l.until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// tlsServer serves ok under a certificate. It returns its port and the PEM
// form of the certificate.
func tlsServer(t *testing.T, l leaf, handler http.HandlerFunc) (port string, pem []byte) {
	t.Helper()
	pair, pem := certificate(t, l)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	return portOf(server.Listener.Addr()), pem
}

func portOf(addr net.Addr) string {
	s := addr.String()
	return s[strings.LastIndex(s, ":")+1:]
}

// commit is a World with one file, ca.pem.
func commit(pem []byte) *World {
	return &World{ReadFile: func(path string) ([]byte, error) {
		if path != "ca.pem" {
			return nil, fs.ErrNotExist
		}
		return pem, nil
	}}
}

// silent accepts connections and never answers. It returns its address.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return l.Addr().String()
}

// closed is an address that nothing listens on.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

func poolOf(t *testing.T, w *World) *tls.Config {
	t.Helper()
	roots, err := w.roots(text{"ca.pem", "ca.pem"})
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func replacePort(s, port string) string { return strings.ReplaceAll(s, "PORT", port) }

// issue makes a certificate that is signed by another.
func issue(t *testing.T, l leaf, parent *x509.Certificate, by tls.Certificate) tls.Certificate {
	t.Helper()
	own, _ := certificate(t, l)
	template, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	key := own.PrivateKey.(*ecdsa.PrivateKey)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func tlsServing(t *testing.T, pair tls.Certificate) (port string) {
	return listenTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}})
}

// listenTLS shakes hands with whoever comes, and says no more.
func listenTLS(t *testing.T, config *tls.Config) (port string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	return portOf(l.Addr())
}

func keyPEM(t *testing.T, pair tls.Certificate) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
