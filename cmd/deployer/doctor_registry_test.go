package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"deployer/internal/enginetest"
	"deployer/state"
)

// TestDoctorSignsInAtRegistries has the real Engine ask: the real registry
// program with right and wrong credentials, and others that it cannot use.
func TestDoctorSignsInAtRegistries(t *testing.T) {
	enginetest.Client(t)
	const password = "canary-of-a-registry"
	real := enginetest.Registry(t, "ada", password)
	_, port, _ := net.SplitHostPort(real)
	wrong := "localhost:" + port // another name of it
	own := ownAddress(t)
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	listen := func(secure bool) string {
		l, err := net.Listen("tcp", own+":0")
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: answer}, TLS: &tls.Config{}}
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		return l.Addr().String()
	}
	untrusted, plain := listen(true), listen(false)
	secret := filepath.Join(t.TempDir(), "password")
	put(t, secret, password+"\n")
	docker := t.TempDir()
	t.Setenv("DOCKER_CONFIG", docker)
	put(t, filepath.Join(docker, "config.json"), `{"auths": {"127.0.0.1:1": {"auth": "YWRhOnh5eg=="}, "none.test": {}}}`)
	file := newServer(t, func(text string) string {
		text += "registries:\n"
		for host, form := range map[string]string{real: "password_file: " + secret, wrong: "password: canary-wrong", untrusted: "password: x", plain: "password: x"} {
			text += fmt.Sprintf("  %q: {username: ada, %s}\n", host, form)
		}
		return text
	})
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	o := deployer(t, "", "doctor", "-c", file, "--json")
	o.never(t, "canary")
	steps := reported(t, o)
	for host, want := range map[string]struct {
		status     state.StepStatus
		says, hint string
	}{
		real:          {state.StepPassed, "takes user ada from registries: in deployer.yaml", ""},
		wrong:         {state.StepFailed, "refuses user ada from registries: in deployer.yaml", "correct what registries: in deployer.yaml has for " + wrong},
		untrusted:     {state.StepFailed, "does not trust its certificate", "/etc/docker/certs.d/" + untrusted + "/ca.crt"},
		plain:         {state.StepFailed, "does not speak HTTPS", "insecure-registries"},
		"127.0.0.1:1": {state.StepFailed, "does not answer the Engine", "name, port, firewall"},
		"none.test":   {state.StepSkipped, "has no credentials for it", ""},
	} {
		s := steps["registry "+host]
		if s.Status != want.status || !strings.Contains(s.Message, want.says) || !strings.Contains(s.Hint, want.hint) {
			t.Errorf("%s: %+v", host, s)
		}
	}
	put(t, filepath.Join(docker, "config.json"), `{"auths": {"canary`)
	o = deployer(t, "", "doctor", "-c", file, "--json")
	o.never(t, "canary")
	if s := reported(t, o)["registries"]; s.Status != state.StepFailed || !strings.Contains(s.Hint, "docker login") {
		t.Errorf("%+v", s)
	}
}

// ownAddress is one of this machine that is not the loopback, to which an
// Engine speaks plain HTTP.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but the loopback, not even the Engine's bridge")
	return ""
}
