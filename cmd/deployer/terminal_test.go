package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A console is a real terminal with a person at it.
type console struct {
	t      *testing.T
	person *os.File // what is typed and read
	side   *os.File // what the program has as its streams
	mu     sync.Mutex
	shown  bytes.Buffer
}

func newConsole(t *testing.T) *console {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	side, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, person: person, side: side}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := person.Read(buf)
			c.mu.Lock()
			c.shown.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = side.Close(); _ = person.Close() })
	return c
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.String()
}

// run runs a command line and answers its questions, each once it is asked.
func (c *console) run(answers [][2]string, args ...string) (code int) {
	c.t.Helper()
	root := newRoot()
	root.SetIn(c.side)
	root.SetOut(c.side)
	root.SetErr(c.side)
	done := make(chan int, 1)
	go func() { done <- execute(c.t.Context(), root, args) }()
	for _, a := range answers {
		c.wait(a[0])
		time.Sleep(100 * time.Millisecond) // the program turns the echo off once it has asked
		if _, err := io.WriteString(c.person, a[1]+"\n"); err != nil {
			c.t.Fatal(err)
		}
	}
	select {
	case code = <-done:
	case <-time.After(30 * time.Second):
		c.t.Fatalf("it does not end:\n%s", c.text())
	}
	time.Sleep(50 * time.Millisecond) // the terminal hands on what was written last
	return code
}

func (c *console) wait(question string) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(c.text(), question); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%q was not asked:\n%s", question, c.text())
		}
	}
}

func TestInitRegistryAsksAPerson(t *testing.T) {
	c := newConsole(t)
	base := t.TempDir()
	dir, key := filepath.Join(base, "infra"), filepath.Join(base, "age.key")
	code := c.run([][2]string{{"Domain", "shop.test"}, {"E-mail", "ops@shop.test"}, {"User name", ""}, {"age key", key}}, "init", "registry", dir)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, c.text())
	}
	if got := valueOf(t, filepath.Join(dir, envName), key, "REGISTRY_USERNAME"); got != "registry-admin" {
		t.Errorf("the user is %q", got)
	}
}

func TestSecretsSetDoesNotShowWhatIsTyped(t *testing.T) {
	dir, key := newRepository(t)
	file := filepath.Join(dir, envName)
	c := newConsole(t)
	if code := c.run([][2]string{{"it is not shown", "canary-typed"}}, "secrets", "set", "REGISTRY_PASSWORD", "-f", file, "--age-key", key); code != 0 {
		t.Fatalf("exit code %d\n%s", code, c.text())
	}
	if got := valueOf(t, file, key, "REGISTRY_PASSWORD"); got != "canary-typed" {
		t.Errorf("it is %q", got)
	}
	if strings.Contains(c.text(), "canary") {
		t.Errorf("the terminal shows it:\n%s", c.text())
	}
}

func TestDecryptWarnsAPerson(t *testing.T) {
	dir, key := newRepository(t)
	c := newConsole(t)
	if code := c.run(nil, "secrets", "decrypt", filepath.Join(dir, envName), "--age-key", key); code != 0 || !strings.Contains(c.text(), "stays in this terminal's history") {
		t.Errorf("exit code %d\n%s", code, c.text())
	}
	deployer(t, "", "secrets", "decrypt", filepath.Join(dir, envName), "--age-key", key).never(t, "history")
}
