package webhook

import (
	"fmt"

	"deployer/state"
)

// generic reads deliveries of anything that can sign a small JSON document: a
// CI job, a post-receive hook, a forge that has no provider of its own.
//
//	{"ref": "refs/heads/main", "after": "<commit id>"}
//
// before, forced, actor, author and subject are optional, an after of all
// zeros announces that the ref is gone, and other fields are not read.
type generic struct{}

type genericPush struct {
	Ref     string `json:"ref"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Forced  bool   `json:"forced"`
	Actor   string `json:"actor"`
	Author  string `json:"author"`
	Subject string `json:"subject"`
}

func (generic) Verify(r Request, secrets [][]byte) error {
	return verifyHMAC(r, "X-Signature-256", "sha256=", r.Body, secrets)
}

func (generic) Parse(r Request) ([]state.Event, error) {
	id, err := deliveryID(r.Header, "X-Delivery")
	if err != nil {
		return nil, err
	}
	var p genericPush
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	e, err := p.event()
	if err != nil {
		return nil, err
	}
	e.Provider, e.Delivery, e.ReceivedAt = "generic", id, r.ReceivedAt
	return []state.Event{e}, nil
}

func (p *genericPush) event() (state.Event, error) {
	if err := checkRef(p.Ref); err != nil {
		return state.Event{}, err
	}
	if p.After == "" {
		return state.Event{}, fmt.Errorf("%w: after is missing; give the commit's id, or zeros where the ref is gone", ErrMalformed)
	}
	after, err := commitID("after", p.After)
	if err != nil {
		return state.Event{}, err
	}
	var before string
	if p.Before != "" {
		if before, err = commitID("before", p.Before); err != nil {
			return state.Event{}, err
		}
	}
	return state.Event{
		Kind:    state.EventPush,
		Ref:     p.Ref,
		Before:  before,
		After:   after,
		Deleted: after == "",
		Forced:  p.Forced,
		Actor:   line(p.Actor, maxName),
		Author:  line(p.Author, maxName),
		Subject: line(p.Subject, maxSubject),
	}, nil
}
