package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/state"
)

// serve runs Serve on a port of its own. The returned function stops it and
// waits for its error.
func (f *fixture) serve(t *testing.T) (address string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, ln) }()
	t.Cleanup(cancel)
	return ln.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

type slowIntake struct {
	Intake
	began, goOn chan struct{}
}

func (in slowIntake) Accept(ctx context.Context, repository string, events []state.Event) (state.Receipt, error) {
	close(in.began)
	<-in.goOn
	return in.Intake.Accept(ctx, repository, events)
}

func TestStopLetsDeliveriesUnderWayFinish(t *testing.T) {
	slow := slowIntake{began: make(chan struct{}), goOn: make(chan struct{})}
	f := newFixture(t, func(o *Options) {
		slow.Intake = o.Intake
		o.Intake = slow
	})
	address, stop := f.serve(t)
	f.url = "http://" + address
	delivered := make(chan answer)
	go func() { delivered <- f.deliver("infra", push(commitA), nil) }()
	<-slow.began
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	<-f.stopping
	close(slow.goOn)
	if a := <-delivered; a.StatusCode != http.StatusAccepted {
		t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the server still listens")
	}
}

func TestStopEndsStreams(t *testing.T) {
	var log bytes.Buffer
	f := newFixture(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	address, stop := f.serve(t)
	f.url = "http://" + address
	run := f.putRun("registry", state.RunRunning)
	f.appendLog(run.ID, 0, "begun\n")
	s := f.follow(run.ID, "")
	if m, _ := s.next(); m.data != "begun\n" {
		t.Fatalf("came %+v", m)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if m, ok := s.next(); ok {
		t.Errorf("then came %+v", m)
	}
	if log.Len() > 0 {
		t.Errorf("the stream had to be cut off: %s", &log)
	}
}

func TestStopIsBounded(t *testing.T) {
	slow := slowIntake{began: make(chan struct{}), goOn: make(chan struct{})}
	f := newFixture(t, func(o *Options) {
		slow.Intake = o.Intake
		o.Intake = slow
		o.StopTimeout = 10 * time.Millisecond
	})
	address, stop := f.serve(t)
	body := push(commitA)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req, err := http.NewRequest(http.MethodPost, "http://"+address+"/hooks/infra", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-Hub-Signature-256", sign(hookSecret, []byte(body)))
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	<-slow.began
	if err := stop(); err != nil {
		t.Error(err)
	}
	close(slow.goOn)
}

func TestReadinessFollowsTheStore(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(o *Options) { o.Now = func() time.Time { return now } })
	f.call(open, http.MethodGet, "/readyz", "").expect(t, http.StatusOK)
	if err := f.Store.Close(); err != nil {
		t.Fatal(err)
	}
	f.call(open, http.MethodGet, "/readyz", "").expect(t, http.StatusOK) // within the second
	now = now.Add(time.Second)
	f.call(open, http.MethodGet, "/readyz", "").expect(t, http.StatusServiceUnavailable)
	f.call(open, http.MethodGet, "/healthz", "").expect(t, http.StatusOK)
}

// writeCertificate makes a certificate for 127.0.0.1 with a serial number.
func writeCertificate(t *testing.T, files TLS, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, files.KeyFile, "PRIVATE KEY", private)
	writePEM(t, files.CertFile, "CERTIFICATE", der)
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRenewedCertificateIsServedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	files := TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, 1)
	f := newFixture(t, func(o *Options) { o.TLS = &files })
	address, stop := f.serve(t)
	serial := func() int64 {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if conn.ConnectionState().NegotiatedProtocol != "h2" {
			t.Error("HTTP/2 is not offered")
		}
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("certificate %d is served", got)
	}
	if err := os.WriteFile(files.CertFile, []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 1 {
		t.Errorf("with a broken file, certificate %d is served", got)
	}
	writeCertificate(t, files, 22222)
	if got := serial(); got != 22222 {
		t.Errorf("after the renewal, certificate %d is served", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestCertificateThatIsMissingIsNamed(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.TLS = &TLS{CertFile: "/nowhere/cert.pem", KeyFile: "/nowhere/key.pem"} })
	_, stop := f.serve(t)
	if err := stop(); err == nil || !strings.Contains(err.Error(), "/nowhere/cert.pem") {
		t.Errorf("Serve ended with %v", err)
	}
}
