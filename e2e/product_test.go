package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/secrets"
)

// binary is the built deployer.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "deployer-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "deployer")
	build := exec.Command("go", "build", "-o", binary, "deployer/cmd/deployer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build deployer: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A product is a server over one stack with all that it works with.
type product struct {
	t       *testing.T
	engine  *client.Client
	repo    *gittest.Repo
	git     *gittest.Server
	dir     string
	memory  string // folder on tmpfs that the server has as its RUNTIME_DIRECTORY
	poll    string // of the repository, in deployer.yaml
	stack   string // name of the stack and of its compose project
	url     string
	keys    map[string]string // secrets by what they are for; all are looked for where they must not be
	age     string            // recipient of the env file
	process *exec.Cmd
	exited  chan struct{}    // closed when the process has ended
	exit    *os.ProcessState // of the last process that has ended
	log     *lockedBuffer
}

// A lockedBuffer is written by a process and read by a test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newProduct makes a config repository on a Git server with a password, keys,
// a configuration and a running server. All of it is removed with the test.
func newProduct(t *testing.T) *product {
	t.Helper()
	p := &product{
		t: t, engine: enginetest.Client(t), repo: gittest.NewRepo(t), dir: t.TempDir(), stack: enginetest.Name(t),
		log: &lockedBuffer{}, keys: map[string]string{}, poll: "0", memory: memoryFolder(t),
	}
	p.git = gittest.Serve(t, p.repo)
	for _, name := range []string{"git", "hook", "admin", "deployer", "viewer"} {
		p.keys[name] = "canary-" + name + "-" + hex.EncodeToString(randomBytes())
	}
	p.git.RequireAuth("deployer", p.keys["git"])
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	p.keys["age"], p.age = identity.Reveal(), recipient
	if err := os.Mkdir(p.path("tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.write("age.key", p.keys["age"])
	p.write("git.password", p.keys["git"])
	p.write("hook.secret", p.keys["hook"])
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.url = "http://" + ln.Addr().String()
	_ = ln.Close()
	p.configure("generic", "")
	p.start()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the server's log:\n%s", p.log)
		}
	})
	return p
}

// memoryFolder makes a folder on tmpfs that is gone with the test.
func memoryFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "deployer-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func randomBytes() []byte {
	sum := sha256.Sum256([]byte(time.Now().String()))
	return sum[:8]
}

// path names a file of the product's folder.
func (p *product) path(name string) string { return filepath.Join(p.dir, name) }

func (p *product) write(name, content string) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), []byte(content+"\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// configure writes deployer.yaml; extra goes under the stack.
func (p *product) configure(provider, extra string) {
	p.t.Helper()
	var tokens strings.Builder
	for _, role := range []string{"admin", "deployer", "viewer"} {
		sum := sha256.Sum256([]byte(p.keys[role]))
		fmt.Fprintf(&tokens, "  - {name: %s-of-test, role: %s, sha256: %x}\n", role, role, sum)
	}
	p.write("deployer.yaml", fmt.Sprintf(`listen: %[1]s
url: http://%[1]s
data: %[2]s/data
tokens:
%[3]ssecrets: {age_key_files: [%[2]s/age.key]}
repositories:
  config:
    url: %[4]s
    auth: {username: deployer, password_file: %[2]s/git.password}
    webhook: {provider: %[5]s, secret_file: %[2]s/hook.secret}
    poll: %[8]s
stacks:
  %[6]s:
    repository: config
%[7]s`, strings.TrimPrefix(p.url, "http://"), p.dir, tokens.String(), p.git.URL, provider, p.stack, extra, p.poll))
}

// start starts the server and waits until it is ready.
func (p *product) start() {
	p.t.Helper()
	p.process = exec.Command(binary, "serve", "--config", p.path("deployer.yaml"))
	p.process.Stdout, p.process.Stderr = p.log, p.log
	p.process.Env = append(os.Environ(), "PROCESS_CANARY=must-not-reach-a-container",
		"RUNTIME_DIRECTORY="+p.memory, "TMPDIR="+p.path("tmp"))
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan struct{})
	go func(process *exec.Cmd, exited chan struct{}) { _ = process.Wait(); close(exited) }(p.process, p.exited)
	p.eventually(20*time.Second, "the server is ready", func() bool {
		res, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// stop ends the server as a service manager does.
func (p *product) stop() { p.signal(syscall.SIGTERM) }

// kill ends the server as a crash does.
func (p *product) kill() { p.signal(syscall.SIGKILL) }

func (p *product) signal(s os.Signal) {
	if p.process == nil {
		return
	}
	_ = p.process.Process.Signal(s)
	select {
	case <-p.exited:
	case <-time.After(40 * time.Second):
		p.t.Errorf("the server did not end within 40 s of %v", s)
		_ = p.process.Process.Kill()
		<-p.exited
	}
	p.exit, p.process = p.process.ProcessState, nil
}

// eventually polls what has no event to wait for.
func (p *product) eventually(limit time.Duration, what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %s: %s\n%s", limit, what, p.log)
		}
	}
}

// call sends a request to the API as one of the roles and decodes the answer.
func (p *product) call(role, method, path string, body, out any) int {
	p.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, p.url+path, in)
	if err != nil {
		p.t.Fatal(err)
	}
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+p.keys[role])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if text, ok := out.(*string); ok {
		*text = string(raw)
	} else if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			p.t.Fatalf("%s %s answered %s: %s", method, path, res.Status, raw)
		}
	}
	return res.StatusCode
}

// cli runs a command of the binary against the server.
func (p *product) cli(args ...string) (out string, code int) {
	p.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "DEPLOYER_URL="+p.url, "DEPLOYER_TOKEN="+p.keys["admin"])
	raw, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(raw), cmd.ProcessState.ExitCode()
}
