package compose

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/docker/compose/v5/pkg/api"
)

// lines writes whole lines to a log, from any goroutine.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func newLines(w io.Writer) *lines {
	if w == nil {
		w = io.Discard
	}
	return &lines{w: w}
}

func (l *lines) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, format+"\n", args...) // what was done is not undone by a log that cannot be written
}

// progress passes on what the Compose library has done. It is an
// api.EventProcessor.
type progress struct {
	log  *lines
	said sync.Map // the library says some things twice
}

func (*progress) Start(context.Context, string) {}
func (*progress) Done(string, bool)             {}

func (p *progress) On(events ...api.Resource) {
	for _, e := range events {
		if e.Status == api.Working || e.Text == api.StatusRunning {
			continue
		}
		kind, name, _ := strings.Cut(e.ID, " ") // "Container web-1"
		line := strings.ToLower(kind) + " " + name + " " + strings.ToLower(e.Text)
		if e.Details != "" {
			line += ": " + e.Details
		}
		if _, twice := p.said.LoadOrStore(line, true); !twice {
			p.log.printf("%s", line)
		}
	}
}
