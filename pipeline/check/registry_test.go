package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/crypto/bcrypt"

	"deployer/state"
)

const hush = "hush-hush-hush"

// registryServer serves a registry behind TLS and a login; spoil may answer
// in its place.
func registryServer(t *testing.T, spoil func(w http.ResponseWriter, r *http.Request) bool) (port string, w *World) {
	t.Helper()
	backend := registry.New(registry.Logger(quiet))
	port, pem := tlsServer(t, leaf{}, func(rw http.ResponseWriter, r *http.Request) {
		if spoil != nil && spoil(rw, r) {
			return
		}
		if user, password, _ := r.BasicAuth(); user != "ci" || password != hush {
			rw.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(rw, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(rw, r)
	})
	w = commit(pem)
	w.Env = environment(secret("PASSWORD", hush))
	return port, w
}

const registrySource = "{check: registry, url: 'https://localhost:PORT', username: ci, password: '${PASSWORD}', ca: ca.pem, resolve: 127.0.0.1}"

func TestRegistryIsUsedAsItsClientsDo(t *testing.T) {
	port, w := registryServer(t, nil)
	for range 2 {
		r := run(t, replacePort(registrySource, port), w)
		want(t, r, state.StepPassed, "https://localhost:"+port+": refuses without and with a wrong login, takes the login of ci, took a push, gave it back with the same digest, and deleted it")
		never(t, r, hush)
	}
}

func TestRegistrySaysWhatIsWrong(t *testing.T) {
	answer := func(w http.ResponseWriter, status int) bool { w.WriteHeader(status); return true }
	ok := func(r *http.Request) bool { _, password, _ := r.BasicAuth(); return password == hush }
	for _, tt := range []struct {
		name   string
		spoil  func(w http.ResponseWriter, r *http.Request) bool
		status state.StepStatus
		parts  []string
	}{
		{"open to all", func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Path == "/v2/" && !ok(r) && r.Header.Get("Authorization") == "" && answer(w, 200)
		}, state.StepFailed, []string{"answers 200 without a login", "auth.htpasswd"}},
		{"any password", func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Path == "/v2/" && r.Header.Get("Authorization") != "" && answer(w, 200)
		}, state.StepFailed, []string{"takes any password"}},
		{"the login is refused", func(w http.ResponseWriter, r *http.Request) bool {
			if ok(r) {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
				return answer(w, 401)
			}
			return false
		}, state.StepFailed, []string{"the login of ci is refused (401)", "`$$`"}},
		{"no route", func(w http.ResponseWriter, _ *http.Request) bool { return answer(w, 404) }, state.StepFailed, []string{"/v2/ without a login answers 404, want 401", "a route"}},
		{"the service is down", func(w http.ResponseWriter, _ *http.Request) bool { return answer(w, 502) }, state.StepFailed, []string{"answers 502", "does not reach the service"}},
		{"a full disk", func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPost && ok(r) && answer(w, 500)
		},
			state.StepFailed, []string{"push: ", "500", "volume may be full"}},
		{"a proxy limits the size", func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPut && ok(r) && answer(w, 413)
		},
			state.StepFailed, []string{"push: ", "buffering"}},
		{"another manifest comes back", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/manifests/check") || !ok(r) {
				return false
			}
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			_, _ = io.WriteString(w, `{"schemaVersion":2}`)
			return true
		}, state.StepFailed, []string{"pull: pushed sha256:", "of its own"}},
		{"uploads go to HTTP", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || !ok(r) {
				return false
			}
			w.Header().Set("Location", "http://"+r.Host+r.URL.Path+"1")
			return answer(w, 202)
		}, state.StepFailed, []string{"it sends uploads to http:// in place of https://", "X-Forwarded-Proto"}},
		{"no deleting", func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodDelete && ok(r) && answer(w, 405)
		},
			state.StepPassed, []string{"and refuses to delete it (405): deployer/check:check stays"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port, w := registryServer(t, tt.spoil)
			r := run(t, replacePort(registrySource, port), w)
			want(t, r, tt.status, tt.parts...)
			never(t, r, hush)
		})
	}
}

func TestRegistryWithoutALogin(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(quiet)))
	defer server.Close()
	want(t, run(t, "{check: registry, url: "+server.URL+"}", &World{}), state.StepPassed, "no login was given, so none was tried, took a push")
	want(t, run(t, "{check: registry, url: "+server.URL+", username: ci, password: x}", &World{}), state.StepFailed, "answers 200 without a login")
}

// The library takes a local host for one that may speak HTTP.
func TestRegistrySendsNoLoginInPlain(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, r.Header.Get("Authorization"))
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	r := run(t, "{check: registry, username: ci, password: hush-hush, url: "+strings.Replace(base, "http:", "https:", 1)+"}", &World{})
	want(t, r, state.StepFailed, "does not speak TLS")
	if len(sent) > 0 {
		t.Errorf("asked in plain, with %q", sent)
	}
}

func TestRegistryFields(t *testing.T) {
	for fields, why := range map[string]string{
		"url: https://a/b":                       "is at the root of its host",
		"url: https://a, username: ci":           "belong together",
		"url: https://a, repository: 'Up Case'":  "is not a name",
		"url: https://a, password: '${NOT_SET}'": "NOT_SET is not defined",
	} {
		var s Spec
		err := yaml.Unmarshal([]byte("{check: registry, "+fields+"}"), &s)
		if err == nil {
			_, err = s.Build(nil)
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", fields, err)
		}
	}
}

// The registry that most people run, as the binary it is.
func TestRegistryOnTheRealProgram(t *testing.T) {
	for _, deletes := range []bool{true, false} {
		t.Run(fmt.Sprintf("deletes %v", deletes), func(t *testing.T) {
			port, w := realRegistry(t, deletes)
			r := run(t, replacePort(strings.Replace(registrySource, "ca:", "within: 20s, ca:", 1), port), w)
			said := "and deleted it"
			if !deletes {
				said = "and refuses to delete it (405): deployer/check:check stays"
			}
			want(t, r, state.StepPassed, "refuses without and with a wrong login", "with the same digest", said)
			wrong := replacePort(strings.Replace(registrySource, "${PASSWORD}", "other", 1), port)
			want(t, run(t, wrong, w), state.StepFailed, "the login of ci is refused (401)")
		})
	}
}

func realRegistry(t *testing.T, deletes bool) (port string, w *World) {
	t.Helper()
	dir := t.TempDir()
	pair, pem := certificate(t, leaf{})
	hash, err := bcrypt.GenerateFromPassword([]byte(hush), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	address := closed(t)
	for name, content := range map[string]string{
		"cert.pem": string(pem), "key.pem": keyPEM(t, pair), "htpasswd": "ci:" + string(hash) + "\n",
		"config.yml": fmt.Sprintf(`version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %[1]s/data}, delete: {enabled: %[3]v}}
http: {addr: %[2]q, tls: {certificate: %[1]s/cert.pem, key: %[1]s/key.pem}}
auth: {htpasswd: {realm: registry, path: %[1]s/htpasswd}}
`, dir, address, deletes),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	startTool(t, address, "registry", "serve", filepath.Join(dir, "config.yml"))
	w = commit(pem)
	w.Env = environment(secret("PASSWORD", hush))
	return address[strings.LastIndex(address, ":")+1:], w
}

// startTool runs a real program, built once, until the test is over, and
// waits until it listens.
func startTool(t *testing.T, address string, argv ...string) {
	t.Helper()
	var said strings.Builder
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "../../scripts/tool", argv...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	for {
		if conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", argv[0], said.String())
		case <-t.Context().Done():
			t.Fatal("the test is over")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
