package gitsync

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errStalled = errors.New("the server has stopped answering")

// A watchdog cancels a context when a server is silent for too long, however
// long the whole may take.
type watchdog struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// watch returns a context that ends with parent, or when the watchdog is armed
// and not fed for the limit.
func watch(parent context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(parent)
	d := &watchdog{limit: limit, cancel: cancel}
	d.timer = time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w for %s", errStalled, limit)) })
	d.timer.Stop()
	return ctx, d
}

// feed arms the watchdog, or says that the server has been heard.
func (d *watchdog) feed() { d.timer.Reset(d.limit) }

// rest lets it sleep while work is done on this machine.
func (d *watchdog) rest() { d.timer.Stop() }

// stop ends the context.
func (d *watchdog) stop() {
	d.timer.Stop()
	d.cancel(context.Canceled)
}
