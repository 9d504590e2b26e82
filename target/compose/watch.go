package compose

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// A watch tells when something has happened to a container of one project. It
// says that, not what: who wakes inspects the container, so that no order of
// events and no lost one can mislead.
type watch struct {
	mu    sync.Mutex
	bells map[string]chan struct{}
}

// watch subscribes to the Engine's events before it returns. The context that
// it returns ends with the cause when the stream does; stop waits for its end.
func (t *Target) watch(ctx context.Context, projectName string) (*watch, context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	messages, ended := t.engine.Events(ctx, events.ListOptions{Filters: ofProject(projectName,
		filters.Arg("type", "container"), filters.Arg("event", "health_status"),
		filters.Arg("event", "start"), filters.Arg("event", "die"), filters.Arg("event", "destroy"))})
	w := &watch{bells: map[string]chan struct{}{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case event := <-messages:
				w.ring(event.Actor.ID)
			case err := <-ended:
				cancel(&engineError{t.host, fmt.Errorf("its event stream ended: %w", err)})
				return
			}
		}
	}()
	return w, ctx, func() { cancel(context.Canceled); <-done }
}

// bell returns the channel that receives when something has happened to the
// container, also if that was before the call.
func (w *watch) bell(container string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	bell, ok := w.bells[container]
	if !ok {
		bell = make(chan struct{}, 1)
		w.bells[container] = bell
	}
	return bell
}

func (w *watch) ring(container string) {
	select {
	case w.bell(container) <- struct{}{}:
	default: // it rings already
	}
}

// lostOr returns the loss of the Engine where that is why ctx ended, else err.
func lostOr(ctx context.Context, err error) error {
	var lost *engineError
	if err != nil && errors.As(context.Cause(ctx), &lost) {
		return lost
	}
	return err
}
