// Package producttest owns what tests and benchmarks of the whole product
// share: the built binary, a config repository on a real Git server, keys, and
// a server process that can be started, stopped and killed.
package producttest

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/secrets"
)

// A Product is a server over one stack with all that it works with.
type Product struct {
	T       testing.TB
	Engine  *client.Client
	Repo    *gittest.Repo
	Git     *gittest.Server
	Dir     string
	Memory  string // folder on tmpfs that the server has as its RUNTIME_DIRECTORY
	Poll    string // of the repository, in deployer.yaml
	Top     string // of deployer.yaml, besides the rest
	Stack   string // name of the stack and of its compose project
	URL     string
	Keys    map[string]string // secrets by what they are for; all are looked for where they must not be
	Age     string            // recipient of the env file
	Docker  string            // the Engine's address, in deployer.yaml; the local one's where empty
	Program string            // what is run; Binary(T) at first
	Env     []string          // what the process gets besides
	Exit    *os.ProcessState  // of the last process that has ended
	Log     *lockedBuffer     // of all processes

	process *exec.Cmd
	exited  chan struct{} // closed when the process has ended
}

// New makes a config repository on a Git server with a password, keys,
// a configuration and a running server. All of it is removed with the test.
func New(t testing.TB) *Product {
	t.Helper()
	return NewOver(t, gittest.NewRepo(t))
}

// NewOver is New with a config repository that is there already.
func NewOver(t testing.TB, repo *gittest.Repo) *Product {
	t.Helper()
	p := &Product{
		T: t, Engine: enginetest.Client(t), Repo: repo, Dir: t.TempDir(), Stack: enginetest.Name(t),
		Log: &lockedBuffer{}, Keys: map[string]string{}, Poll: "0", Memory: memoryFolder(t), Program: Binary(t),
	}
	p.Git = gittest.Serve(t, p.Repo)
	for _, name := range []string{"git", "hook", "admin", "deployer", "viewer"} {
		p.Keys[name] = "canary-" + name + "-" + hex.EncodeToString(randomBytes())
	}
	p.Git.RequireAuth("deployer", p.Keys["git"])
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	p.Keys["age"], p.Age = identity.Reveal(), recipient
	if err := os.Mkdir(p.Path("tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.Write("age.key", p.Keys["age"])
	p.Write("git.password", p.Keys["git"])
	p.Write("hook.secret", p.Keys["hook"])
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.URL = "http://" + ln.Addr().String()
	_ = ln.Close()
	p.Configure("generic", "")
	p.Start()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("the server's log:\n%s", p.Log)
		}
	})
	return p
}

// memoryFolder makes a folder on tmpfs that is gone with the test.
func memoryFolder(t testing.TB) string {
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

// Path names a file of the product's folder.
func (p *Product) Path(name string) string { return filepath.Join(p.Dir, name) }

// Write writes a file of the product's folder that only its owner reads.
func (p *Product) Write(name, content string) {
	p.T.Helper()
	if err := os.WriteFile(p.Path(name), []byte(content+"\n"), 0o600); err != nil {
		p.T.Fatal(err)
	}
}

// Sealed is an env file as it is committed: its secrets encrypted.
func (p *Product) Sealed(text string) gittest.File {
	p.T.Helper()
	raw, err := secrets.EncryptDotenv([]byte(text), []string{p.Age}, "")
	if err != nil {
		p.T.Fatal(err)
	}
	return gittest.Text(string(raw))
}

// SealedFile is a file of any format as it is committed: encrypted as its name
// says, wholly or what the regular expression matches.
func (p *Product) SealedFile(name, text, encryptedRegex string) gittest.File {
	p.T.Helper()
	raw, err := secrets.EncryptFile(name, []byte(text), []string{p.Age}, encryptedRegex)
	if err != nil {
		p.T.Fatal(err)
	}
	return gittest.Text(string(raw))
}

// Eventually polls what has no event to wait for.
func (p *Product) Eventually(limit time.Duration, what string, ok func() bool) {
	p.T.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.T.Fatalf("not within %s: %s\n%s", limit, what, p.Log)
		}
	}
}
