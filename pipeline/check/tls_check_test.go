package check

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"deployer/state"
)

func TestTLSJudgesTheCertificate(t *testing.T) {
	days := func(n int) time.Time { return time.Now().Add(time.Duration(n)*24*time.Hour + time.Hour) }
	for _, tt := range []struct {
		name   string
		leaf   leaf
		fields string
		status state.StepStatus
		parts  []string
	}{
		{"good", leaf{commonName: "Own CA", until: days(60)}, "ca: ca.pem", state.StepPassed,
			[]string{"presents a certificate of Own CA for localhost until " + days(60).UTC().Format(time.DateOnly) + " (60 days left)"}},
		{"unknown authority", leaf{commonName: "Own CA", until: days(60)}, "", state.StepFailed, []string{`signed by "CN=Own CA", an unknown authority`, "`ca`"}},
		{"Traefik's own", leaf{commonName: "TRAEFIK DEFAULT CERT", names: []string{"x.traefik.default"}}, "ca: ca.pem", state.StepFailed,
			[]string{"presents Traefik's default certificate: Traefik has none for localhost", "tls.certresolver"}},
		{"staging", leaf{commonName: "(STAGING) Puzzling Parsnip E7", until: days(60)}, "ca: ca.pem", state.StepFailed,
			[]string{`"(STAGING) Puzzling Parsnip E7" is a staging issuer`, "caServer"}},
		{"old staging", leaf{commonName: "Fake LE Intermediate X1", until: days(60)}, "ca: ca.pem", state.StepFailed, []string{"staging issuer"}},
		{"over", leaf{until: time.Now().Add(-time.Hour)}, "ca: ca.pem", state.StepFailed, []string{"(over), but the certificate is valid only from"}},
		{"soon over", leaf{commonName: "Own CA", until: days(13)}, "ca: ca.pem", state.StepFailed, []string{"(13 days left), want 14", "not renewed"}},
		{"short-lived", leaf{commonName: "Own CA", until: days(1)}, "ca: ca.pem, min_days: 1", state.StepPassed, []string{"hours left"}},
		{"of another host", leaf{commonName: "Own CA", names: []string{"other.example.com"}, until: days(60)}, "ca: ca.pem", state.StepFailed,
			[]string{"for other.example.com until", ", not for localhost", "tls.domains"}},
		{"more names", leaf{commonName: "Own CA", names: []string{"localhost", "*.example.com"}, until: days(60)},
			"ca: ca.pem, names: [a.example.com, example.com]", state.StepFailed, []string{", not for example.com"}},
		{"wildcard", leaf{commonName: "Own CA", names: []string{"localhost", "*.example.com"}, until: days(60)}, "ca: ca.pem, names: a.example.com", state.StepPassed, nil},
		{"no such file", leaf{until: days(60)}, "ca: none.pem", state.StepFailed, []string{"read ca none.pem"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port, pem := tlsServer(t, tt.leaf, func(http.ResponseWriter, *http.Request) {})
			r := run(t, "{check: tls, host: 'localhost:"+port+"', resolve: 127.0.0.1, "+tt.fields+"}", commit(pem))
			want(t, r, tt.status, tt.parts...)
		})
	}
}

// A CA that signs through an intermediate, as the real ones do.
func TestTLSFollowsTheChain(t *testing.T) {
	root, pem := certificate(t, leaf{commonName: "Root"})
	parent, err := x509.ParseCertificate(root.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	middle := issue(t, leaf{commonName: "Middle"}, parent, root)
	parent, err = x509.ParseCertificate(middle.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	end := issue(t, leaf{commonName: "localhost", until: time.Now().Add(60 * 24 * time.Hour)}, parent, middle)
	source := "{check: tls, host: 'localhost:PORT', ca: ca.pem, resolve: 127.0.0.1}"
	alone := tlsServing(t, end)
	want(t, run(t, replacePort(source, alone), commit(pem)), state.StepFailed, `signed by`, "an unknown authority")
	end.Certificate = append(end.Certificate, middle.Certificate...)
	whole := tlsServing(t, end)
	want(t, run(t, replacePort(source, whole), commit(pem)), state.StepPassed, "a certificate of Middle for localhost")
}

func TestTLSWaitsForACertificateThatIsBeingIssued(t *testing.T) {
	stand, _ := certificate(t, leaf{commonName: "TRAEFIK DEFAULT CERT", names: []string{"x.traefik.default"}})
	real, pem := certificate(t, leaf{commonName: "Own CA", until: time.Now().Add(60 * 24 * time.Hour)})
	looks := 0
	port := listenTLS(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if looks++; looks < 3 {
			return &stand, nil
		}
		return &real, nil
	}})
	var log strings.Builder
	w := commit(pem)
	w.Log = &log
	want(t, run(t, replacePort("{check: tls, host: 'localhost:PORT', ca: ca.pem, resolve: 127.0.0.1, within: 1m}", port), w), state.StepPassed, "Own CA")
	if looks != 3 || !strings.Contains(log.String(), "Traefik's default certificate") {
		t.Errorf("looked %d times, logged %q", looks, log.String())
	}
}

func TestTLSSaysWhyNothingIsPresented(t *testing.T) {
	want(t, run(t, "{check: tls, host: '"+closed(t)+"'}", &World{}), state.StepFailed, "connection refused")
	plain := strings.TrimPrefix(serve(t, func(http.ResponseWriter, *http.Request) {}), "http://")
	want(t, run(t, "{check: tls, host: '"+plain+"'}", &World{}), state.StepFailed, "does not speak TLS")
}

func TestTLSHostMayHaveAPort(t *testing.T) {
	for written, address := range map[string]string{
		"a.example.com": "a.example.com:443", "a.example.com:8443": "a.example.com:8443", "::1": "[::1]:443", "[::1]:5": "[::1]:5",
		"https://a": "", "a:": "", "a:b": "", "": "", "a b": "",
	} {
		var h tlsHost
		if err := h.set(text{written, written}); (err != nil) != (address == "") || h.plain != address {
			t.Errorf("%q: got %q, %v", written, h.plain, err)
		}
	}
	var h tlsHost
	_ = h.set(text{"hush.example.com:443", redacted})
	if h.String() != redacted || h.host.String() != redacted {
		t.Error("a secret host is shown")
	}
}
