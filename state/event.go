package state

import "time"

// EventKind says what a delivery announces.
type EventKind string

const (
	EventPush        EventKind = "push"
	EventPullRequest EventKind = "pull_request"
	EventIgnored     EventKind = "ignored" // a ping, or an event that nothing here reacts to
)

// An Event is what one delivery says about one ref. It is a hint: the commit
// that is deployed is the branch's tip at the time of the fetch.
type Event struct {
	Provider string
	Delivery string // the provider's delivery id; empty when it sends none
	Kind     EventKind
	Ignored  string // for EventIgnored: the reason, a short sentence

	Ref     string // full name, refs/heads/main
	Before  string // commit before the push; empty when the ref is new
	After   string // commit after the push; empty when the ref was deleted
	Deleted bool
	Forced  bool

	Actor   string // who pushed
	Subject string // first line of the head commit's message
	Author  string // of the head commit

	// Paths are the files that the pushed commits touch. They are only
	// meaningful when PathsComplete says that the delivery lists them all.
	Paths         []string
	PathsComplete bool

	PullRequest *PullRequest // of EventPullRequest

	ReceivedAt time.Time
}
