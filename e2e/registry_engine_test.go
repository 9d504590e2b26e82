package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
)

// knows makes this machine's Engine reach the registry by its name, as one
// elsewhere does by DNS and the public authorities: a line of /etc/hosts and
// the CA of the test, and nothing else. Both are gone with the test.
func (s *registryStack) knows() bool {
	s.t.Helper()
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		s.t.Logf("the Engine's own push and pull are not tried: %v", err)
		return false
	}
	line := fmt.Sprintf("127.0.0.1 %s # of a test of deployer\n", s.host)
	if err := os.WriteFile("/etc/hosts", append(hosts, line...), 0o644); err != nil {
		s.t.Logf("the Engine's own push and pull are not tried: it takes a line in /etc/hosts: %v", err)
		return false
	}
	s.t.Cleanup(func() {
		now, err := os.ReadFile("/etc/hosts")
		if err == nil {
			err = os.WriteFile("/etc/hosts", []byte(strings.ReplaceAll(string(now), line, "")), 0o644)
		}
		if err != nil {
			s.t.Errorf("take the line out of /etc/hosts: %v", err)
		}
	})
	dir := filepath.Join("/etc/docker/certs.d", s.address())
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Logf("the Engine's own push and pull are not tried: %v", err)
		return false
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte(s.read("ca.pem")), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return true
}

// address is what clients call the registry in production.
func (s *registryStack) address() string { return fmt.Sprintf("%s:%d", s.host, s.https) }

func login(user, password string) string {
	raw, _ := json.Marshal(registry.AuthConfig{Username: user, Password: password})
	return base64.URLEncoding.EncodeToString(raw)
}

// pushImage gives an image a name at a registry and has the Engine push it.
func (s *registryStack) pushImage(local, at, user, password string) error {
	s.t.Helper()
	s.Tag(local, at)
	out, err := s.Engine.ImagePush(s.t.Context(), at, image.PushOptions{RegistryAuth: login(user, password)})
	return drain(out, err)
}

func (s *registryStack) pullImage(at, user, password string) error {
	s.t.Helper()
	_, _ = s.Engine.ImageRemove(s.t.Context(), at, image.RemoveOptions{})
	out, err := s.Engine.ImagePull(s.t.Context(), at, image.PullOptions{RegistryAuth: login(user, password)})
	return drain(out, err)
}

// drain reads what the Engine says while it works; what failed is only there.
func drain(out io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	defer out.Close()
	for d := json.NewDecoder(out); ; {
		var line struct{ Error string }
		switch err := d.Decode(&line); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case line.Error != "":
			return fmt.Errorf("%s", line.Error)
		}
	}
}

// What clients do with it, by the Engine itself.
func (s *registryStack) takesAndGives(t *testing.T, local string) {
	t.Helper()
	user, password := s.value("REGISTRY_USERNAME"), s.value("REGISTRY_PASSWORD")
	at := s.address() + "/team/app:1"
	if err := s.pushImage(local, at, user, "wrong"); err == nil {
		t.Error("a push with a wrong password is taken")
	}
	if err := s.pushImage(local, at, user, password); err != nil {
		t.Errorf("push: %v", err)
	}
	if err := s.pullImage(at, user, password); err != nil {
		t.Errorf("pull: %v", err)
	}
}
