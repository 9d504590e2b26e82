package e2e

import (
	"archive/tar"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"deployer/examples"
	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/secrets"
	"deployer/state"
)

// realProgram is a program that scripts/tool has built into the cache.
func realProgram(t *testing.T, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	pattern := filepath.Join(cache, "deployer", "tools", name+"-v*-"+runtime.Version())
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Skipf("this test runs the real %s, and %s is not there", name, pattern)
	}
	return found[len(found)-1]
}

// programImage imports an image of one program and some files.
func (p *product) programImage(name, program, at string, files map[string]string, changes ...string) string {
	p.t.Helper()
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(writeImage(w, program, at, files)) }()
	ref := enginetest.Name(p.t) + "/" + name + ":1"
	changes = append(changes, "LABEL com.docker.compose.project="+p.Stack) // enginetest.Cleanup goes by it
	answer, err := p.Engine.ImageImport(p.t.Context(), image.ImportSource{Source: r, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		p.t.Fatal(err)
	}
	return ref
}

func writeImage(w io.Writer, program, at string, files map[string]string) error {
	out := tar.NewWriter(w)
	raw, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	put := func(name string, mode int64, content []byte) error {
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err := out.Write(content)
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: "tmp/", Mode: 0o1777, Typeflag: tar.TypeDir}); err != nil {
		return err
	}
	if err := put(at, 0o755, raw); err != nil {
		return err
	}
	for name, content := range files {
		if err := put(name, 0o644, []byte(content)); err != nil {
			return err
		}
	}
	return out.Close()
}

const registryConfig = `version: 0.1
storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ":5000"}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`

// exampleFiles are the files of examples/registry, with ports that are free
// here and checks that need no CA.
func (p *product) exampleFiles(web, secure, direct string) gittest.Files {
	p.t.Helper()
	files := gittest.Files{}
	replace := strings.NewReplacer(
		`"80:80"`, fmt.Sprintf(`"127.0.0.1:%s:80"`, web), `"443:443"`, fmt.Sprintf(`"127.0.0.1:%s:443"`, secure),
		"REGISTRY_EXPOSE_PORT=5000", fmt.Sprintf("REGISTRY_EXPOSE_PORT=%s", direct),
	)
	tree := examples.Registry()
	err := fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		files[name] = gittest.Text(replace.Replace(string(text)))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	images := "TRAEFIK_IMAGE=" + p.programImage("traefik", realProgram(p.t, "traefik"), "usr/local/bin/traefik", nil, `ENTRYPOINT ["/usr/local/bin/traefik"]`) +
		"\nREGISTRY_IMAGE=" + p.programImage("registry", realProgram(p.t, "registry"), "usr/local/bin/registry",
		map[string]string{"etc/distribution/config.yml": registryConfig}, `ENTRYPOINT ["registry"]`, `CMD ["serve", "/etc/distribution/config.yml"]`) + "\n"
	dev, _ := fs.ReadFile(tree, ".env")
	files[".env"] = gittest.Text(replace.Replace(string(dev)) + images)
	production, _ := fs.ReadFile(tree, ".env.production.example")
	text := secrets.NewValue(string(production) + images)
	for name, value := range map[string]string{"HOST": "shop.test", "REGISTRY_USERNAME": "ops", "REGISTRY_PASSWORD": productionPassword, "REGISTRY_HTPASSWD": productionHtpasswd} {
		if text, err = secrets.SetVar(".env.production", text, name, secrets.NewValue(value)); err != nil {
			p.t.Fatal(err)
		}
	}
	files[".env.production"] = p.Sealed(text.Reveal())
	files["pipeline.yaml"] = gittest.Text(fmt.Sprintf(`env_file: .env.production
env_example: .env.production.example
compose: [compose.yaml]
environments:
  dev:
    compose: [compose.yaml, compose.dev.yaml]
    env_file: .env
    verify: [{check: http, url: "http://registry.localhost:%s/v2/", resolve: 127.0.0.1, status: [401], within: 30s}]
verify: [{check: http, url: "https://registry.shop.test:%s/v2/", resolve: 127.0.0.1, insecure: true, status: [401], within: 30s}]
`, web, secure))
	return files
}

const (
	productionPassword = "canary-production"
	// bcrypt of the password, at the least cost.
	productionHtpasswd = "ops:$2a$04$I77s92pfZ8tj2ukSjVZZjOddYGqvf.bFFWTdtDPxFjNQa1olswpVy"
)

// TestRegistryExampleTakesTurns runs the example on the real Traefik and the
// real registry: development, production, and back, on the same volumes.
func TestRegistryExampleTakesTurns(t *testing.T) {
	realProgram(t, "traefik")
	realProgram(t, "registry")
	p := newProduct(t)
	enginetest.Cleanup(t, p.Engine, p.Stack)
	web, secure, direct := freePort(t), freePort(t), freePort(t)
	p.Repo.Commit("main", "the example", p.exampleFiles(web, secure, direct))

	p.mustPromote("dev")
	devURL := fmt.Sprintf("http://registry.localhost:%s", web)
	p.mustAnswer(devURL+"/v2/", "", "", 401)
	p.mustAnswer(devURL+"/v2/", "dev", "only-for-localhost", 200)
	p.mustAnswer(devURL+"/v2/", "dev", "wrong", 401)
	pushed := p.mustPush(direct, "dev", "only-for-localhost")
	if got := p.answer(http.MethodOptions, devURL+"/v2/", "", "").Header.Get("Access-Control-Allow-Origin"); got != "http://registry-ui.localhost" {
		t.Errorf("the UI may ask from %q", got)
	}

	p.mustPromote("")
	productionURL := fmt.Sprintf("https://registry.shop.test:%s", secure)
	p.mustAnswer(productionURL+"/v2/", "dev", "only-for-localhost", 401)
	p.mustAnswer(productionURL+"/v2/"+pushed+"/tags/list", "ops", productionPassword, 200)
	p.mustAnswer(fmt.Sprintf("http://registry.shop.test:%s/v2/", web), "ops", productionPassword, 404)
	if got := p.published("registry"); len(got) > 0 {
		t.Errorf("production publishes the registry's port: %v", got)
	}

	p.mustPromote("dev")
	p.mustAnswer(fmt.Sprintf("http://localhost:%s/v2/%s/tags/list", direct, pushed), "dev", "only-for-localhost", 200)
	if got := p.published("registry"); !slices.Equal(got, []string{fmt.Sprintf("127.0.0.1:%s", direct)}) {
		t.Errorf("development publishes %v", got)
	}
}

func (p *product) mustPromote(environment string) {
	p.t.Helper()
	run := p.mustRun(p.ask("deployer", http.MethodPost, "/deploy", map[string]string{"environment": environment}))
	if run.Status != state.RunSucceeded {
		p.t.Fatalf("%q: %s: %s", environment, run.Status, run.Error)
	}
}

// answer asks a name at this machine, whatever DNS says, and any certificate.
func (p *product) answer(method, url, user, password string) *http.Response {
	p.t.Helper()
	dial := &net.Dialer{Timeout: 5 * time.Second}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // Traefik's own certificate: no CA is asked here
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return dial.DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}}
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if method == http.MethodOptions {
		req.Header.Set("Origin", "http://registry-ui.localhost")
		req.Header.Set("Access-Control-Request-Method", http.MethodGet)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	res, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

func (p *product) mustAnswer(url, user, password string, want int) {
	p.t.Helper()
	if res := p.answer(http.MethodGet, url, user, password); res.StatusCode != want {
		p.t.Errorf("%s answers %s to %q, want %d", url, res.Status, user, want)
	}
}

// mustPush pushes an image by the Engine's own client to the port that
// development publishes, and returns its repository.
func (p *product) mustPush(port, user, password string) (repository string) {
	p.t.Helper()
	ref := fmt.Sprintf("localhost:%s/app:1", port)
	source := enginetest.Image(p.t, p.Engine)
	if err := p.Engine.ImageTag(p.t.Context(), source, ref); err != nil {
		p.t.Fatal(err)
	}
	auth, _ := json.Marshal(map[string]string{"username": user, "password": password})
	answer, err := p.Engine.ImagePush(p.t.Context(), ref, image.PushOptions{RegistryAuth: base64.URLEncoding.EncodeToString(auth)})
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Close()
	out, err := io.ReadAll(answer)
	if err != nil || strings.Contains(string(out), "errorDetail") {
		p.t.Fatalf("push %s: %v\n%s", ref, err, out)
	}
	return "app"
}

// published are the addresses of the host that a service's containers take.
func (p *product) published(service string) (out []string) {
	p.t.Helper()
	list, err := p.Engine.ContainerList(p.t.Context(), container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "com.docker.compose.project="+p.Stack), filters.Arg("label", "com.docker.compose.service="+service))})
	if err != nil || len(list) != 1 {
		p.t.Fatalf("%d containers of %s, %v", len(list), service, err)
	}
	for _, port := range list[0].Ports {
		if port.PublicPort != 0 {
			out = append(out, fmt.Sprintf("%s:%d", port.IP, port.PublicPort))
		}
	}
	return out
}
