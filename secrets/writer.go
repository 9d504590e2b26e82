package secrets

import (
	"io"
	"sync"
)

// maxLine is how long a line may become, in bytes, before it is written
// without its end.
const maxLine = 64 << 10

// A maskingWriter is what Redactor.Writer returns.
type maskingWriter struct {
	redactor *Redactor
	to       io.Writer

	mu      sync.Mutex
	held    []byte
	covered int // how many held bytes are part of a secret that was masked
}

// Write takes all of p unless the writer behind it fails.
func (w *maskingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	written := 0
	for written < len(p) {
		n := min(len(p)-written, maxLine)
		w.held = append(w.held, p[written:written+n]...)
		if err := w.flush(false); err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// Close writes what is held.
func (w *maskingWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush(true)
}

func (w *maskingWriter) flush(all bool) error {
	m := w.redactor.matcher.Load()
	limit := m.complete(w.held)
	if all {
		limit = len(w.held)
	} else if limit < len(w.held)-maxLine-m.longest {
		// No form that begins before this can still be incomplete.
		limit = len(w.held) - m.longest
	}
	if limit <= 0 {
		return nil
	}
	out, over := m.mask(nil, w.held, w.covered, limit)
	w.held = append(w.held[:0], w.held[limit:]...)
	w.covered = over
	if len(out) == 0 {
		return nil
	}
	_, err := w.to.Write(out)
	return err
}
