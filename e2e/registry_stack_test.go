package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/acmetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A registryStack is examples/registry as `deployer init registry` writes it,
// deployed by a running deployer: a real Traefik that gets its certificate from
// a real CA, in front of a real registry. What differs from an operator's is in
// compose.test.yaml and in the ports: the CA is Pebble, the images are local,
// and 80 and 443 may be somebody else's.
type registryStack struct {
	*product
	ca          *acmetest.CA
	dir         string // the working copy
	host        string // registry.DOMAIN
	http, https int    // in place of 80 and 443
	own         int    // the registry's, in development
}

func newRegistryStack(t *testing.T) *registryStack {
	t.Helper()
	s := &registryStack{product: newProduct(t), http: acmetest.FreePort(t), https: acmetest.FreePort(t), own: acmetest.FreePort(t)}
	s.product.edit("    repository: config\n", "    repository: config\n    policy: {allow: [docker_socket]}\n") // Traefik's
	s.mustReload()
	s.ca = acmetest.Start(t, acmetest.Options{HTTPPort: s.http, TLSPort: s.https, Blocked: []string{"registry.refused.test"}})
	domain := s.Stack[len(s.Stack)-8:] + ".acme-widgets.fr"
	s.host, s.dir = "registry."+domain, s.Path("registry")
	s.ca.Resolve(s.host, "127.0.0.1")
	s.run("init", "registry", s.dir, "--domain", domain, "--email", "ops@"+domain, "--age-key", s.Path("age.key"), "--yes")
	s.edit("server/Traefik/traefik.yml",
		`# caServer: "https://acme-staging-v02.api.letsencrypt.org/directory"`, fmt.Sprintf(`caServer: "https://pebble:%d/dir"`, s.ca.Port))
	// Other tests run a Traefik on the same Engine, and name their routers alike.
	s.edit("server/Traefik/traefik.yml", "exposedByDefault: false", "exposedByDefault: false\n    constraints: \"Label(`com.docker.compose.project`,`"+s.Stack+"`)\"")
	s.adaptPipeline()
	s.write("ca.pem", string(s.ca.Root()))
	s.write("pebble.pem", string(s.ca.TLSRoot))
	s.write("cas.pem", s.read("ca.pem")+s.read("pebble.pem"))
	s.write("compose.test.yaml", s.composeTest())
	return s
}

// adaptPipeline points the checks at where the test's stack is.
func (s *registryStack) adaptPipeline() {
	s.t.Helper()
	s.edit("pipeline.yaml",
		"compose: [compose.yaml]", "compose: [compose.yaml, compose.test.yaml]",
		"compose: [compose.yaml, compose.dev.yaml]", "compose: [compose.yaml, compose.dev.yaml, compose.test.yaml]",
		"free: [80, 443]", fmt.Sprintf("free: [%d, %d]", s.http, s.https),
		`{check: dns, host: "registry.${HOST}", ca: letsencrypt.org}`, fmt.Sprintf(`{check: dns, host: "registry.${HOST}", ca: letsencrypt.org, expect: [127.0.0.1], servers: [%q], resolvers: [%q]}`, s.ca.DNS, s.ca.DNS),
		`{check: acme_rehearsal}`, fmt.Sprintf(`{check: acme_rehearsal, directory: %q, ca: cas.pem, http_address: ":%d", tls_address: ":%d"}`, s.ca.Directory, s.http, s.https),
		`host: "registry.${HOST}:443"`, fmt.Sprintf(`resolve: 127.0.0.1, ca: ca.pem, host: "registry.${HOST}:%d"`, s.https),
		`{check: acme, service`, fmt.Sprintf(`{check: acme, port: %d, resolve: 127.0.0.1, service`, s.https),
		`url: "https://registry.${HOST}`, fmt.Sprintf(`resolve: 127.0.0.1, ca: ca.pem, url: "https://registry.${HOST}:%d`, s.https),
		`url: "${REGISTRY_URL}/v2/"`, fmt.Sprintf(`url: "http://registry.localhost:%d/v2/"`, s.http),
		"to: /backups/registry", "to: "+s.Path("backups"),
	)
	s.edit(".env", "REGISTRY_EXPOSE_PORT=5000", fmt.Sprintf("REGISTRY_EXPOSE_PORT=%d", s.own))
}

func (s *registryStack) composeTest() string {
	config := "version: 0.1\nstorage:\n  filesystem: {rootdirectory: /var/lib/registry}\nhttp: {addr: ':5000'}\n"
	return fmt.Sprintf(`services:
  traefik:
    image: %s
    ports: !override ["%d:80", "%d:443"]
    extra_hosts: ["pebble:host-gateway"]
    environment: {LEGO_CA_CERTIFICATES: /pebble.pem}
    volumes: ["./pebble.pem:/pebble.pem:ro"]
  registry:
    image: %s
  ui:
    image: %s
    environment: {PORT: "80"}
`, s.ToolImage("traefik", nil, `ENTRYPOINT ["traefik"]`), s.http, s.https,
		s.ToolImage("registry", map[string][]byte{"etc/distribution/config.yml": []byte(config)}, `ENTRYPOINT ["registry"]`, `CMD ["serve", "/etc/distribution/config.yml"]`),
		s.Image())
}

// run runs a command of the desk: one without a server.
func (s *registryStack) run(args ...string) string {
	s.t.Helper()
	return s.runWith("", args...)
}

func (s *registryStack) runWith(stdin string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(s.Program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("deployer %s: %v\n%s", strings.Join(args, " "), err, &out)
	}
	return out.String()
}

func (s *registryStack) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *registryStack) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// edit replaces, wherever it occurs, each text by the one after it.
func (s *registryStack) edit(name string, replace ...string) {
	s.t.Helper()
	text := s.read(name)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			s.t.Fatalf("%s does not contain %q:\n%s", name, replace[i], text)
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	s.write(name, text)
}

// set sets a value of .env.production as an operator does.
func (s *registryStack) set(name, value string) {
	s.t.Helper()
	s.runWith(value, "secrets", "set", name, "-f", filepath.Join(s.dir, ".env.production"), "--age-key", s.Path("age.key"))
}

// value is what .env.production has in plain.
func (s *registryStack) value(name string) string {
	s.t.Helper()
	for line := range strings.SplitSeq(s.run("secrets", "decrypt", "--age-key", s.Path("age.key"), filepath.Join(s.dir, ".env.production")), "\n") {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return strings.Trim(value, "'")
		}
	}
	s.t.Fatalf(".env.production has no %s", name)
	return ""
}

// push commits the working copy as it is, and waits for the run.
func (s *registryStack) push(message string) *state.Run {
	s.t.Helper()
	_, run := s.Push(message, s.files())
	return run
}

func (s *registryStack) files() gittest.Files {
	s.t.Helper()
	files := gittest.Files{}
	for name, text := range s.snapshot() {
		files[name] = gittest.Text(text)
	}
	return files
}

// snapshot is the working copy as it is now.
func (s *registryStack) snapshot() map[string]string {
	s.t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.dir, path)
		files[name] = s.read(name)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// promotedRegistry is the stack after its first push to production.
func promotedRegistry(t *testing.T) *registryStack {
	t.Helper()
	s := newRegistryStack(t)
	producttest.MustEnd(t, s.push("production"), state.RunSucceeded)
	return s
}

// ask asks the registry over HTTPS, trusting the CA of the test.
func (s *registryStack) ask() (status int, err error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.read("ca.pem")))
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", s.https))
		},
	}}
	response, err := client.Get(fmt.Sprintf("https://%s:%d/v2/", s.host, s.https))
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
