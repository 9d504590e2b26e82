package webhook

import (
	"fmt"

	"deployer/state"
)

// A pullRequest is the part of a pull request's payload that GitHub and Gitea
// have in common.
type pullRequest struct {
	PullRequest *struct {
		Title string  `json:"title"`
		User  account `json:"user"`
	} `json:"pull_request"`
	Sender account `json:"sender"`
}

// event fills what the payload says into e.
func (p *pullRequest) event(e state.Event) (state.Event, error) {
	if p.PullRequest == nil {
		return e, fmt.Errorf("%w: pull_request is missing", ErrMalformed)
	}
	e.Kind = state.EventPullRequest
	e.Actor = p.Sender.String()
	e.Subject = line(p.PullRequest.Title, maxSubject)
	e.Author = p.PullRequest.User.String()
	return e, nil
}

func parsePullRequest(r Request, e state.Event) ([]state.Event, error) {
	var p pullRequest
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	e, err := p.event(e)
	if err != nil {
		return nil, err
	}
	return []state.Event{e}, nil
}
