package check

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"deployer/state"
)

var quiet = log.New(io.Discard, "", 0)

func serve(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestHTTPJudgesTheResponse(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		switch r.URL.Path {
		case "/v2/":
			w.WriteHeader(http.StatusUnauthorized)
		case "/gone":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "bad\x00\x1b\n gateway"+strings.Repeat("!", 300))
		case "/moved":
			http.Redirect(w, r, "/ok?token=abc", http.StatusFound)
		case "/big":
			_, _ = io.WriteString(w, strings.Repeat("x", maxBody)+"needle")
		case "/long":
			_, _ = w.Write(bytes.Repeat([]byte("x"), 10*maxBody))
		default:
			fmt.Fprintf(w, "%s %s agent=%s", r.Method, r.URL.Path, r.UserAgent())
		}
	})
	for _, tt := range []struct {
		fields string
		status state.StepStatus
		parts  []string
	}{
		{"url: BASE/ok", state.StepPassed, []string{"GET BASE/ok answered 200 in "}},
		{"url: BASE/v2/, status: [200, 401]", state.StepPassed, []string{"answered 401"}},
		{"url: BASE/v2/, status: 4xx", state.StepPassed, nil},
		{"url: BASE/v2/", state.StepFailed, []string{"answered 401 in ", "ms, want 200: (no body)", "wants a login"}},
		{"url: BASE/gone, status: [200, 3xx]", state.StepFailed, []string{"want 200 or 3xx: bad gateway!!!", "!…", "does not reach the service"}},
		{"url: BASE/ok, method: post, body: POST", state.StepPassed, nil},
		{"url: BASE/ok, body: {contains: [GET, agent=deployer], not_contains: error, matches: '^GET /ok '}", state.StepPassed, nil},
		{"url: BASE/ok, body: {contains: nothing}", state.StepFailed, []string{`the body does not contain "nothing": GET /ok agent=deployer`}},
		{"url: BASE/ok, body: {not_contains: GET, matches: '^POST'}", state.StepFailed, []string{`contains "GET" and does not match "^POST"`}},
		{"url: BASE/big, body: {contains: needle}", state.StepFailed, []string{"the first MiB of the body does not contain"}},
		{"url: BASE/long", state.StepPassed, nil},
		{"url: BASE/ok, expect_headers: {docker-distribution-api-version: registry/2.0}", state.StepPassed, nil},
		{"url: BASE/ok, expect_headers: {Docker-Distribution-Api-Version: {matches: '^registry/3'}}", state.StepFailed,
			[]string{`the header Docker-Distribution-Api-Version, "registry/2.0", does not match "^registry/3"`}},
		{"url: BASE/ok, expect_headers: {X-None: a}", state.StepFailed, []string{`the header X-None, "", does not contain "a"`}},
		{"url: BASE/moved", state.StepFailed, []string{"answered 302 in ", "(to /ok), want 200", "redirects: follow"}},
		{"url: BASE/moved, redirects: follow, body: /ok", state.StepPassed, []string{"(redirected to BASE/ok)"}},
	} {
		t.Run(tt.fields, func(t *testing.T) {
			r := run(t, "{check: http, "+strings.ReplaceAll(tt.fields, "BASE", base)+"}", &World{})
			for i, part := range tt.parts {
				tt.parts[i] = strings.ReplaceAll(part, "BASE", base)
			}
			want(t, r, tt.status, tt.parts...)
			never(t, r, "token=abc")
		})
	}
}

func TestHTTPSendsWhatItIsTold(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "host=%s user=%s password=%s key=%s", r.Host, user, password, r.Header.Get("X-Key"))
	})
	w := &World{Env: environment(public("HOST", "shop.example"), secret("PASSWORD", "pass"), secret("KEY", "k"))}
	const send = ", host: '${HOST}', basic: {username: u, password: '${PASSWORD}'}, headers: {X-Key: '${KEY}'}"
	r := run(t, "{check: http, url: "+base+send+", body: 'host=shop.example user=u password=pass key=k'}", w)
	want(t, r, state.StepPassed)
	want(t, run(t, "{check: http, url: "+base+", headers: {Host: a.example}, body: host=a.example}", w), state.StepPassed)

	r = run(t, "{check: http, url: '"+base+"/?k=${KEY}'"+send+", status: 201}", w)
	want(t, r, state.StepFailed, "/?k=[redacted] answered 200")
	r = run(t, "{check: http, url: '"+base+"', body: 'is ${PASSWORD}'}", w)
	want(t, r, state.StepFailed, `does not contain "is [redacted]"`)
}

func TestHTTPKeepsCredentialsAtTheirHost(t *testing.T) {
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusFound)
	})
	r := run(t, "{check: http, url: '"+base+"/?t=1', redirects: follow, headers: {X-Key: k}, basic: {username: u, password: p}}", &World{})
	want(t, r, state.StepPassed)
}

func TestHTTPFollowsAFewRedirectsOnly(t *testing.T) {
	var hops atomic.Int32
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	want(t, run(t, "{check: http, url: "+base+", redirects: follow}", &World{}), state.StepFailed, "redirected more than 5 times")
	if hops.Load() != maxRedirects+1 {
		t.Errorf("%d requests", hops.Load())
	}
}

func TestHTTPTriesUntilTheServiceIsReady(t *testing.T) {
	var requests atomic.Int32
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	want(t, run(t, "{check: http, url: "+base+", within: 1m}", &World{}), state.StepPassed)
	if requests.Load() != 3 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestHTTPConnectsWhereResolveSays(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
	address := strings.TrimPrefix(base, "http://")
	port := address[strings.LastIndex(address, ":")+1:]
	for _, tt := range []struct{ url, resolve, host string }{
		{"http://shop.invalid:" + port, "127.0.0.1", "shop.invalid:" + port},
		{"http://shop.invalid", address, "shop.invalid"},
		{"http://shop.invalid:" + port, "Shop.invalid:" + port + ":127.0.0.1", "shop.invalid:" + port},
		{"http://shop.invalid:" + port, "['other.invalid:1:127.0.0.9', 'shop.invalid:" + port + ":[127.0.0.1]']", "shop.invalid"},
	} {
		r := run(t, fmt.Sprintf("{check: http, url: '%s', resolve: %s, body: '%s'}", tt.url, tt.resolve, tt.host), &World{})
		want(t, r, state.StepPassed)
	}
}

func TestHTTPIgnoresProxies(t *testing.T) {
	base := serve(t, func(http.ResponseWriter, *http.Request) {})
	proxy := func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.invalid:3128") }
	w := &World{Client: &http.Client{Transport: &http.Transport{Proxy: proxy}}}
	want(t, run(t, "{check: http, url: "+base+"}", w), state.StepPassed)
}
