// Package giteatest owns the forge of tests: a real Gitea with users,
// repositories and tokens.
package giteatest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"deployer/internal/enginetest"
)

// Admin is the name of the user that a server begins with.
const Admin = "root-of-test"

// A Server is a running Gitea.
type Server struct {
	t       testing.TB
	URL     string // without a slash at its end
	program string
	config  string // path of app.ini
	admin   string // its token, which may do everything
	log     *lockedBuffer
}

// Start starts a Gitea, empty but for its administrator, that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, program: enginetest.Tool(t, "gitea"), log: &lockedBuffer{}}
	dir, port := t.TempDir(), freePort(t)
	s.URL, s.config = fmt.Sprintf("http://127.0.0.1:%d", port), filepath.Join(dir, "app.ini")
	// The folder of its templates and texts is where scripts/tool puts it.
	if err := os.WriteFile(s.config, []byte(settings(dir, s.program+".files", port)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := s.command("web")
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("Gitea's log:\n%s", s.log)
		}
	})
	s.ready(exited)
	s.admin = s.begin()
	return s
}

func (s *Server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.program, append(args, "--config", s.config)...)
	cmd.Env = append(os.Environ(), "GITEA_WORK_DIR="+filepath.Dir(s.config), "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT=true") // as tests in a container do
	return cmd
}

func (s *Server) ready(exited <-chan struct{}) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := errors.New("it has ended")
		select {
		case <-exited:
			end = time.Time{}
		default:
			err = s.alive()
		}
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("Gitea does not answer: %v\n%s", err, s.log)
		}
	}
}

func (s *Server) alive() error {
	res, err := http.Get(s.URL + "/api/healthz")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("healthz answered %s", res.Status)
	}
	return nil
}

// begin makes the administrator, and a token that may do everything.
func (s *Server) begin() (token string) {
	s.t.Helper()
	s.run("admin", "user", "create", "--admin", "--username", Admin, "--email", Admin+"@example.com", "--random-password", "--must-change-password=false")
	words := bytes.Fields(s.run("admin", "user", "generate-access-token", "--username", Admin, "--token-name", "all", "--scopes", "all", "--raw"))
	return string(words[len(words)-1]) // after what it logs
}

func (s *Server) run(args ...string) []byte {
	s.t.Helper()
	cmd := s.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("gitea %v: %v\n%s%s\n%s", args, err, out, &stderr, s.log)
	}
	return out
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
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
