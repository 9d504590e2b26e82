package check

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"deployer/state"
)

func ok(http.ResponseWriter, *http.Request) {}

func TestHTTPTrustsWhatItIsTold(t *testing.T) {
	port, pem := tlsServer(t, leaf{names: []string{"localhost", "registry.example.com"}}, ok)
	_, other := certificate(t, leaf{commonName: "other"})
	for _, tt := range []struct {
		fields string
		pem    []byte
		status state.StepStatus
		parts  []string
	}{
		{"url: 'https://localhost:PORT', ca: ca.pem", pem, state.StepPassed, nil},
		{"url: 'https://127.0.0.1:PORT', insecure: true", nil, state.StepPassed, nil},
		{"url: 'https://127.0.0.1:PORT', ca: ca.pem, sni: registry.example.com", pem, state.StepPassed, nil},
		{"url: 'https://registry.example.com', resolve: '127.0.0.1:PORT', ca: ca.pem", pem, state.StepPassed, nil},
		{"url: 'https://shop.example.com', resolve: '127.0.0.1:PORT', ca: ca.pem", pem, state.StepFailed,
			[]string{"the certificate is not for shop.example.com, but for localhost, registry.example.com"}},
		{"url: 'https://localhost:PORT'", nil, state.StepFailed, []string{"an unknown authority", "`ca`"}},
		{"url: 'https://localhost:PORT', ca: ca.pem", other, state.StepFailed, []string{"an unknown authority"}},
		{"url: 'https://localhost:PORT', ca: ca.pem", []byte("no PEM"), state.StepFailed, []string{"ca ca.pem holds no certificate"}},
		{"url: 'https://localhost:PORT', ca: gone.pem", pem, state.StepFailed, []string{"read ca gone.pem: file does not exist"}},
		{"url: 'http://localhost:PORT'", nil, state.StepFailed, []string{"answered 400"}},
	} {
		t.Run(tt.fields, func(t *testing.T) {
			r := run(t, "{check: http, "+replacePort(tt.fields, port)+"}", commit(tt.pem))
			want(t, r, tt.status, tt.parts...)
		})
	}
	want(t, run(t, "{check: http, url: 'https://localhost', ca: ca.pem}", &World{}), state.StepFailed, "not at hand here")
}

func TestHTTPTellsWhatIsWrongWithACertificate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leaf  leaf
		trust bool
		parts []string
	}{
		{"expired", leaf{until: time.Now().Add(-24 * time.Hour)}, true, []string{"the certificate is valid only from ", "renew it"}},
		{"Traefik's stand-in", leaf{commonName: "TRAEFIK DEFAULT CERT", names: []string{"x.traefik.default"}}, true,
			[]string{"not for localhost, but for x.traefik.default", "Traefik has no certificate for this name yet"}},
		{"authority", leaf{commonName: "Home CA"}, false, []string{`signed by "CN=Home CA", an unknown authority`}},
		{"no names", leaf{names: []string{}}, true, []string{"but for no name at all"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port, pem := tlsServer(t, tt.leaf, ok)
			source := "{check: http, url: 'https://localhost:" + port + "'}"
			if tt.trust {
				source = "{check: http, url: 'https://localhost:" + port + "', ca: ca.pem}"
			}
			want(t, run(t, source, commit(pem)), state.StepFailed, tt.parts...)
		})
	}
}

func TestHTTPExplainsConnectionsThatFail(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(ok))
	defer plain.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "short")
	}))
	defer broken.Close()
	hangup := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangup.Close()
	refused := closed(t)
	for source, part := range map[string]string{
		"{check: http, url: 'http://" + refused + "'}":                         "connection refused by " + refused,
		"{check: http, timeout: 50ms, url: 'http://" + silent(t) + "'}":        ": no answer within ",
		"{check: http, timeout: 50ms, url: 'https://" + silent(t) + "'}":       ": no answer within ",
		"{check: http, url: 'https://" + plain.Listener.Addr().String() + "'}": "it does not speak TLS",
		"{check: http, url: '" + broken.URL + "'}":                             "answered 200, then its body broke off: the connection was closed",
		"{check: http, url: '" + hangup.URL + "'}":                             "the connection was closed without an answer",
	} {
		want(t, run(t, source, &World{}), state.StepFailed, part)
	}
}

func TestNamesThatDoNotResolve(t *testing.T) {
	for _, tt := range []struct {
		err  *net.DNSError
		part string
	}{
		{&net.DNSError{Name: "shop.example", IsNotFound: true}, "no such host: shop.example"},
		{&net.DNSError{Name: "shop.example", IsTimeout: true}, "DNS does not answer for shop.example"},
	} {
		w := &World{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: tt.err}
		}}
		want(t, run(t, "{check: http, url: 'http://shop.example'}", w), state.StepFailed, tt.part)
		want(t, run(t, "{check: tcp, address: 'shop.example:25'}", w), state.StepFailed, tt.part)
	}
}

func TestTCP(t *testing.T) {
	port, pem := tlsServer(t, leaf{}, ok)
	mute := silent(t)
	trusting := commit(pem)
	trusting.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: poolOf(t, trusting)}}
	for _, tt := range []struct {
		source string
		status state.StepStatus
		part   string
	}{
		{"{check: tcp, address: '" + mute + "'}", state.StepPassed, mute + " accepts connections"},
		{"{check: tcp, address: '" + mute + "', tls: false}", state.StepPassed, "accepts"},
		{"{check: tcp, address: '" + mute + "', tls: true, timeout: 50ms}", state.StepFailed, "accepts connections, but TLS fails: no answer within"},
		{"{check: tcp, address: 'localhost:" + port + "', tls: true}", state.StepPassed, "speaks TLS 1.3, with a certificate until 20"},
		{"{check: tcp, address: '127.0.0.1:" + port + "', tls: true}", state.StepFailed, "the certificate is not for 127.0.0.1, but for localhost"},
		{"{check: tcp, address: '" + closed(t) + "'}", state.StepFailed, "connection refused"},
	} {
		want(t, run(t, tt.source, trusting), tt.status, tt.part)
	}
	want(t, run(t, "{check: tcp, address: 'localhost:"+port+"', tls: true}", &World{}), state.StepFailed, "unknown authority")
}

func TestAnErrorOfHTTPDoesNotRepeatTheURL(t *testing.T) {
	_, err := http.Get("http://" + closed(t) + "/?token=abc")
	if got := reason(err); errors.Unwrap(err) == nil || got == err.Error() {
		t.Errorf("got %q", got)
	}
}
