package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	clitypes "github.com/docker/cli/cli/config/types"
	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"deployer/secrets"
)

const helperPrefix = "docker-credential-"

const (
	helperLimit  = 20 * time.Second // how long a credential helper may take to answer
	helperGrace  = 2 * time.Second  // how long one that was killed may take to be gone
	helperOutput = 1 << 20          // bytes of an answer, and of complaints
	helperSays   = 300              // bytes of complaints that are shown
)

// A helper is one run of a docker-credential program, in a process group of its
// own, so that what it has started ends with it.
type helper struct {
	ctx       context.Context
	name      string
	args      []string
	input     io.Reader
	answer    capped
	complaint capped
	err       error // why it could not answer; nil where its answer was none
}

// askHelper asks a credential helper; what it does not know is no error. What
// it answers is in no error, and what it complains of only without what may be
// a secret.
func askHelper(ctx context.Context, name, key string) (clitypes.AuthConfig, error) {
	ctx, done := context.WithTimeout(ctx, helperLimit)
	defer done()
	h := &helper{ctx: ctx, name: helperPrefix + name}
	found, err := client.Get(func(args ...string) client.Program { h.args = args; return h }, key)
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return clitypes.AuthConfig{}, nil
	case err != nil:
		return clitypes.AuthConfig{}, h.failure(key)
	case found.Username == "<token>":
		return clitypes.AuthConfig{IdentityToken: found.Secret, ServerAddress: key}, nil
	}
	return clitypes.AuthConfig{Username: found.Username, Password: found.Secret, ServerAddress: key}, nil
}

func (h *helper) failure(key string) error {
	hint := fmt.Sprintf("try `echo %s | %s get` as deployer's user, with its PATH and HOME", key, h.name)
	what := "gives no credentials for it"
	switch {
	case errors.Is(h.err, exec.ErrNotFound):
		what = "is not in the PATH of deployer, which is " + os.Getenv("PATH")
		hint = fmt.Sprintf("install %s into one of its folders, or give the credentials under registries: in deployer.yaml", h.name)
	case errors.Is(h.err, errTooMuch):
		what = fmt.Sprintf("wrote more than %d bytes, and was ended", helperOutput)
	case h.ctx.Err() != nil:
		what = "did not answer in time, and was ended"
	case h.err == nil:
		what = "answers with what is not the JSON of a credential helper"
	}
	if said := h.says(); said != "" {
		what += "; it says: " + said
	}
	return &credentialsError{fmt.Errorf("the credential helper %s %s", h.name, what), hint}
}

func (h *helper) Input(in io.Reader) { h.input = in }

// Output runs the helper. It returns soon after its context has ended, also
// where the kernel cannot end the process.
func (h *helper) Output() ([]byte, error) {
	ctx, end := context.WithCancelCause(h.ctx)
	defer end(nil)
	h.answer.full = func() { end(errTooMuch) }
	h.complaint.full = h.answer.full
	cmd := exec.CommandContext(ctx, h.name, h.args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = h.input, &h.answer, &h.complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = helperGrace
	if h.err = cmd.Start(); h.err != nil {
		return nil, h.err
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	select {
	case h.err = <-over:
	case <-ctx.Done():
		select {
		case h.err = <-over:
		case <-time.After(2 * helperGrace):
		}
	}
	if errors.Is(h.err, exec.ErrWaitDelay) { // it has answered, and something that it started has not ended
		h.err = nil
	}
	if cause := context.Cause(ctx); cause != nil {
		h.err = cause
	}
	return h.answer.bytes(), h.err
}

var (
	word     = regexp.MustCompile(`[^\s"',:;{}\[\]=]+`)
	tokenish = regexp.MustCompile(`[A-Za-z0-9+/_=.-]{20,}`)
	guarded  = regexp.MustCompile(`(?i)key|secret|token|pass|auth|credential`)
)

// says is the end of what the helper complained of. Whatever it answered, what
// it has in its environment under the name of a secret, and what looks like a
// token is masked.
func (h *helper) says() string {
	mask := secrets.NewRedactor()
	for _, w := range word.FindAllString(string(h.answer.bytes()), -1) {
		mask.Add(secrets.NewValue(w))
	}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); guarded.MatchString(name) {
			mask.Add(secrets.NewValue(value))
		}
	}
	text := mask.Redact(string(h.complaint.bytes()))
	text = tokenish.ReplaceAllStringFunc(text, func(s string) string {
		if strings.ContainsAny(s, "0123456789") && !strings.Contains(s, "/") {
			return "[redacted]"
		}
		return s
	})
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > helperSays {
		text = "…" + strings.ToValidUTF8(text[len(text)-helperSays:], "")
	}
	return text
}

var errTooMuch = errors.New("too much output")

// capped keeps the start of what is written to it, and calls full when that is
// not all.
type capped struct {
	full func()

	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buf.Len()+len(p) > helperOutput {
		c.full()
		return 0, errTooMuch
	}
	return c.buf.Write(p)
}

func (c *capped) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.buf.Bytes())
}
