package queue

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"deployer/project"
)

// A call is one use of the target that a hook can hold, or let fail.
type call struct {
	op  string // images, containers, apply, applied; the last two right before and after the change
	web string // image reference of the service web
	log io.Writer
}

// on sets what is done at each call from now on; nil for nothing.
func (f *fakeTarget) on(hook func(context.Context, call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// hold makes the first call that matches wait until its context ends, or
// until let is called, and tells when it is there.
func (f *fakeTarget) hold(matches func(call) bool) (reached <-chan struct{}, let func()) {
	there, free := make(chan struct{}), make(chan struct{})
	var first, done sync.Once
	f.on(func(ctx context.Context, c call) error {
		if !matches(c) {
			return nil
		}
		first.Do(func() { close(there) })
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return there, func() { done.Do(func() { close(free) }) }
}

// applying matches an Apply, right before its change, of a project whose web
// service has the image.
func applying(image string) func(call) bool {
	return func(c call) bool { return c.op == "apply" && c.web == image }
}

// applied matches the moment right after the change.
func applied(image string) func(call) bool {
	return func(c call) bool { return c.op == "applied" && c.web == image }
}

func (f *fakeTarget) at(ctx context.Context, op string, p *project.Project, log io.Writer) error {
	f.mu.Lock()
	hook, c := f.hook, call{op: op, log: log}
	if p != nil {
		c.web = f.ref(p.Compose.Services["web"].Image)
	}
	f.mu.Unlock()
	if hook == nil {
		return ctx.Err()
	}
	return hook(ctx, c)
}

// gone makes the calls that match fail as without an Engine: the first n, or
// all where n is negative.
func (f *fakeTarget) gone(n int64, matches func(call) bool) {
	var left atomic.Int64
	left.Store(n)
	f.on(func(_ context.Context, c call) error {
		if matches(c) && (n < 0 || left.Add(-1) >= 0) {
			return fmt.Errorf("%s: %w", c.op, project.ErrEngineUnreachable)
		}
		return nil
	})
}
