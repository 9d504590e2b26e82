package webhook

import (
	"fmt"

	"deployer/state"
)

// gogs reads the deliveries of Gogs. A new tag comes as a create event without
// its commit; branches come as a push too.
type gogs struct{}

// Verify checks the JSON text: Gogs signs it before it goes into a form.
func (gogs) Verify(r Request, secrets [][]byte) error {
	signed, err := document(r)
	if err != nil {
		return err
	}
	return verifyHMAC(r, "X-Gogs-Signature", "", signed, secrets)
}

func (gogs) Parse(r Request) ([]state.Event, error) {
	return parseGiteaLike(r, "gogs", "X-Gogs-Event", "X-Gogs-Delivery")
}

// parseGiteaLike reads what Gogs and its descendants have in common.
func parseGiteaLike(r Request, provider, eventHeader, deliveryHeader string) ([]state.Event, error) {
	id, err := deliveryID(r.Header, deliveryHeader)
	if err != nil {
		return nil, err
	}
	e := state.Event{Provider: provider, Delivery: id, ReceivedAt: r.ReceivedAt}
	switch name := r.Header.Get(eventHeader); name {
	case "":
		return nil, fmt.Errorf("%w: the %s header is missing", ErrMalformed, eventHeader)
	case "push":
		return parseGiteaPush(r, e)
	case "pull_request":
		return parsePullRequest(r, e)
	default:
		return otherEvent(e, name), nil
	}
}
