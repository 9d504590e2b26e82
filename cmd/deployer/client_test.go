package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever else answers at the address, the command says so.
func TestWhatIsNotTheServerIsToldApart(t *testing.T) {
	handler := func(status int, kind, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		})
	}
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	encrypted := httptest.NewUnstartedServer(handler(200, "application/json", `{"stacks":[]}`))
	encrypted.StartTLS()
	t.Cleanup(encrypted.Close)
	plain := serve(handler(404, "text/plain", "404 page not found\n"))
	for what, c := range map[string]struct {
		url   string
		code  int
		parts []string
	}{
		"another program":      {plain, 1, []string{"answered 404 Not Found: 404 page not found", "not deployer's answer"}},
		"a page of a proxy":    {serve(handler(502, "text/html", "<html>\nBad")), 1, []string{"answered 502 Bad Gateway; that is not"}},
		"a page with 200":      {serve(handler(200, "text/html", "<html>")), 1, []string{"read the answer of http://127.0.0.1", "is --server right"}},
		"HTTPS asked of HTTP":  {strings.Replace(plain, "http:", "https:", 1), 1, []string{"write http://"}},
		"HTTP asked of HTTPS":  {strings.Replace(encrypted.URL, "https:", "http:", 1), 2, []string{"answered 400 Bad Request: Client sent an HTTP request to an HTTPS server"}},
		"an authority unknown": {encrypted.URL, 1, []string{"SSL_CERT_FILE"}},
		"no such scheme":       {"ftp://deploy.example.com", 2, []string{"write it as https://deploy.example.com"}},
		"a wrong parameter":    {serve(handler(400, "application/problem+json", `{"status":400,"detail":"the parameter \"limit\" is wrong","hint":"leave it out"}`)), 2, []string{`"limit" is wrong; leave it out`}},
		"what is refused":      {serve(handler(409, "application/problem+json", `{"status":409,"detail":"it is locked","hint":"unlock it"}`)), 1, []string{"it is locked; unlock it"}},
	} {
		t.Run(what, func(t *testing.T) {
			deployer(t, "", "status", "--server", c.url, "--token", "t").want(t, c.code, c.parts...)
		})
	}
	deployer(t, "", "logs", "01a21ff7-1473-705c-a0be-58d598e324a4", "--server", plain, "--token", "t").want(t, 1, "not deployer's answer")
}
