// Package notify owns the messages to people: what became of a run, and what
// the monitor has noticed, once each, through chat, mail or whatever else a
// URL names.
package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"deployer/state"
	"deployer/state/outbox"
)

const (
	staleAfter = 24 * time.Hour // news of this age are not sent any more
	sinkPrefix = "notify/"
)

// A Sink is a place that messages go to.
type Sink struct {
	Name string                 // for people: notify[0] (slack)
	URL  func() (string, error) // read again for each message
}

// Options are what a Notifier works with.
type Options struct {
	Store *state.Store
	Sinks func() []Sink // those of now
	URL   string        // of deployer's own page; empty: messages have no link
	Send  func(url, title, text string) error
	Mask  func(string) string // takes secrets out of an error's text
	Now   func() time.Time
	Log   *slog.Logger
}

// A Notifier sends each sink what happened since it last told that one. Its
// methods may be called from any goroutine.
type Notifier struct {
	*outbox.Outbox
	options Options
}

// New makes a notifier.
func New(o Options) *Notifier {
	n := &Notifier{options: o}
	n.Outbox = outbox.New(outbox.Options{
		Store: o.Store, Prefix: sinkPrefix, Sinks: n.sinks, Task: "send a message", Mask: o.Mask, Now: o.Now, Log: o.Log,
	})
	return n
}

func (n *Notifier) sinks() ([]outbox.Sink, error) {
	var out []outbox.Sink
	for _, s := range n.options.Sinks() {
		url, err := s.URL()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err) // to go on without it would forget what it was told
		}
		out = append(out, outbox.Sink{
			Key: keyOf(url), Name: s.Name, Wants: n.wants,
			Take: func(_ context.Context, notice *state.Notice, run *state.Run) error { return n.send(s, notice, run) },
		})
	}
	return out, nil
}

// keyOf names a sink without its secret.
func keyOf(url string) string {
	sum := sha256.Sum256([]byte(url))
	return sinkPrefix + hex.EncodeToString(sum[:8])
}

func (n *Notifier) wants(notice *state.Notice, run *state.Run) bool {
	_, _, worth := Message(run, notice.Status, n.options.URL)
	return worth
}

func (n *Notifier) send(s Sink, notice *state.Notice, run *state.Run) error {
	title, text, _ := Message(run, notice.Status, n.options.URL)
	if age := n.options.Now().Sub(notice.At); age > staleAfter {
		n.options.Log.Error("a message could not be sent for a day and is given up", "sink", s.Name, "run", run.ID, "message", title)
		return nil
	}
	url, err := s.URL()
	if err != nil {
		return err
	}
	if err := n.options.Send(url, title, text); err != nil {
		return fmt.Errorf("%s", withoutSecrets(err.Error(), url))
	}
	return nil
}
