package producttest

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Start starts the server and waits until it is ready.
func (p *Product) Start() {
	p.T.Helper()
	if !p.TryStart() {
		p.T.Fatalf("the server ended before it was ready\n%s", p.Log)
	}
}

// TryStart is Start that reports whether the server lived to be ready.
func (p *Product) TryStart() bool {
	p.T.Helper()
	p.process = exec.Command(p.Program, "serve", "--config", p.Path("deployer.yaml"))
	p.process.Stdout, p.process.Stderr = p.Log, p.Log
	p.process.Env = append(os.Environ(), "PROCESS_CANARY=must-not-reach-a-container",
		"RUNTIME_DIRECTORY="+p.Memory, "TMPDIR="+p.Path("tmp"))
	p.process.Env = append(p.process.Env, p.Env...)
	if err := p.process.Start(); err != nil {
		p.T.Fatal(err)
	}
	p.exited = make(chan struct{})
	go func(process *exec.Cmd, exited chan struct{}) { _ = process.Wait(); close(exited) }(p.process, p.exited)
	p.Eventually(20*time.Second, "the server is ready", func() bool {
		res, err := http.Get(p.URL + "/readyz")
		if err != nil {
			return p.Dead()
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return !p.Dead()
}

// Exited is closed when the process that was started last has ended.
func (p *Product) Exited() <-chan struct{} { return p.exited }

// Dead reports whether the process that was started last has ended.
func (p *Product) Dead() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// PID is the id of the process that was started last.
func (p *Product) PID() int { return p.process.Process.Pid }

// Shooter returns what sends SIGKILL to the present process, from any
// goroutine, without waiting for its end.
func (p *Product) Shooter() (shoot func()) {
	process := p.process.Process
	return func() { _ = process.Kill() }
}

// Stop ends the server as a service manager does.
func (p *Product) Stop() { p.Signal(syscall.SIGTERM) }

// Kill ends the server as a crash does.
func (p *Product) Kill() { p.Signal(syscall.SIGKILL) }

// Signal sends a signal to the server and waits for its end.
func (p *Product) Signal(s os.Signal) {
	if p.process == nil {
		return
	}
	_ = p.process.Process.Signal(s)
	select {
	case <-p.exited:
	case <-time.After(40 * time.Second):
		p.T.Errorf("the server did not end within 40 s of %v", s)
		_ = p.process.Process.Kill()
		<-p.exited
	}
	p.Exit, p.process = p.process.ProcessState, nil
}

// CLI runs a command of the binary against the server.
func (p *Product) CLI(args ...string) (out string, code int) {
	p.T.Helper()
	cmd := exec.Command(p.Program, args...)
	cmd.Env = append(os.Environ(), "DEPLOYER_URL="+p.URL, "DEPLOYER_TOKEN="+p.Keys["admin"])
	raw, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.T.Fatal(err)
	}
	return string(raw), cmd.ProcessState.ExitCode()
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
