package webhook

import (
	"fmt"

	"deployer/state"
)

// github reads the deliveries of GitHub.com and GitHub Enterprise Server.
type github struct{}

// Verify checks the body as it was sent: GitHub signs a form with its encoding.
func (github) Verify(r Request, secrets [][]byte) error {
	return verifyHMAC(r, "X-Hub-Signature-256", "sha256=", r.Body, secrets)
}

func (github) Parse(r Request) ([]state.Event, error) {
	id, err := deliveryID(r.Header, "X-GitHub-Delivery")
	if err != nil {
		return nil, err
	}
	e := state.Event{Provider: "github", Delivery: id, ReceivedAt: r.ReceivedAt}
	switch name := r.Header.Get("X-GitHub-Event"); name {
	case "":
		return nil, fmt.Errorf("%w: the X-GitHub-Event header is missing", ErrMalformed)
	case "push":
		return parseGitHubPush(r, e)
	case "pull_request":
		return parsePullRequest(r, e)
	default:
		return otherEvent(e, name), nil
	}
}

func parseGitHubPush(r Request, e state.Event) ([]state.Event, error) {
	var p push
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	e, err := p.event(e)
	if err != nil {
		return nil, err
	}
	e.Paths, e.PathsComplete = p.paths(e)
	return []state.Event{e}, nil
}
