package webhook

import (
	"fmt"
	"strings"

	"deployer/state"
)

// bitbucketServer reads the deliveries of Bitbucket Data Center and Server.
type bitbucketServer struct{}

// Verify fails with ErrUnsignedPing where the delivery is the test that
// Bitbucket never signs.
func (bitbucketServer) Verify(r Request, secrets [][]byte) error {
	if r.Header.Get("X-Event-Key") == "diagnostics:ping" && r.Header.Get("X-Hub-Signature") == "" {
		return ErrUnsignedPing
	}
	return verifyHMAC(r, "X-Hub-Signature", "sha256=", r.Body, secrets)
}

func (bitbucketServer) Parse(r Request) ([]state.Event, error) {
	id, err := deliveryID(r.Header, "X-Request-Id")
	if err != nil {
		return nil, err
	}
	e := state.Event{Provider: "bitbucket-server", Delivery: id, ReceivedAt: r.ReceivedAt}
	switch name := r.Header.Get("X-Event-Key"); {
	case name == "":
		return nil, fmt.Errorf("%w: the X-Event-Key header is missing", ErrMalformed)
	case name == "diagnostics:ping":
		return otherEvent(e, "ping"), nil
	case name == "repo:refs_changed":
		return parseRefsChanged(r, e)
	case strings.HasPrefix(name, "pr:"):
		return parseServerPullRequest(r, e, name)
	default:
		return otherEvent(e, name), nil
	}
}

type serverUser struct {
	Name    string `json:"name"`
	Display string `json:"displayName"`
}

func (u serverUser) String() string { return line(first(u.Name, u.Display), maxName) }

type refsChanged struct {
	Actor   serverUser `json:"actor"`
	Changes []struct {
		Ref struct {
			ID string `json:"id"`
		} `json:"ref"`
		RefID string `json:"refId"`
		From  string `json:"fromHash"`
		To    string `json:"toHash"`
		Type  string `json:"type"` // ADD, UPDATE or DELETE
	} `json:"changes"`
	To *struct { // of newer versions, where one ref has changed
		ID      string     `json:"id"`
		Message string     `json:"message"`
		Author  serverUser `json:"author"`
	} `json:"toCommit"`
}

func parseRefsChanged(r Request, e state.Event) ([]state.Event, error) {
	var p refsChanged
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	var events []state.Event
	for _, c := range p.Changes {
		one := e
		one.Kind, one.Actor, one.Ref = state.EventPush, p.Actor.String(), first(c.Ref.ID, c.RefID)
		if err := checkRef(one.Ref); err != nil {
			return nil, err
		}
		var err error
		if one.Before, err = commitID("fromHash", c.From); err != nil {
			return nil, err
		}
		if one.After, err = commitID("toHash", c.To); err != nil {
			return nil, err
		}
		if c.Type == "DELETE" {
			one.After = ""
		}
		one.Deleted = one.After == ""
		if p.To != nil && p.To.ID == c.To {
			one.Subject, one.Author = line(p.To.Message, maxSubject), p.To.Author.String()
		}
		events = append(events, one)
	}
	if len(events) == 0 {
		return ignored(e, "push: it changes no ref"), nil
	}
	return events, nil
}

// serverPulls are the events of pull requests that concern a plan.
var serverPulls = map[string]state.PullAction{
	"pr:opened": state.PullOpened, "pr:reopened": state.PullOpened,
	"pr:from_ref_updated": state.PullUpdated, "pr:to_ref_updated": state.PullUpdated, "pr:modified": state.PullUpdated,
	"pr:merged": state.PullMerged, "pr:declined": state.PullClosed, "pr:deleted": state.PullClosed,
}

type serverEnd struct {
	ID         string `json:"id"`
	Latest     string `json:"latestCommit"`
	Repository *struct {
		ID int64 `json:"id"`
	} `json:"repository"`
}

func (s serverEnd) sameRepository(o serverEnd) bool {
	return s.Repository != nil && o.Repository != nil && s.Repository.ID != 0 && s.Repository.ID == o.Repository.ID
}

func parseServerPullRequest(r Request, e state.Event, name string) ([]state.Event, error) {
	action, known := serverPulls[name]
	if !known { // comments, reviewers
		return otherEvent(e, name), nil
	}
	var p struct {
		Actor       serverUser `json:"actor"`
		PullRequest *struct {
			ID     int    `json:"id"`
			Title  string `json:"title"`
			Author struct {
				User serverUser `json:"user"`
			} `json:"author"`
			From       serverEnd `json:"fromRef"`
			Into       serverEnd `json:"toRef"`
			Properties struct {
				Merge struct {
					ID string `json:"id"`
				} `json:"mergeCommit"`
			} `json:"properties"`
		} `json:"pullRequest"`
		Before *serverEnd `json:"previousTarget"` // of pr:modified
	}
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	is := p.PullRequest
	if is == nil {
		return nil, fmt.Errorf("%w: pullRequest is missing", ErrMalformed)
	}
	if name == "pr:modified" && (p.Before == nil || p.Before.ID == is.Into.ID) {
		return unplanned(e, name, "")
	}
	e.Actor, e.Subject, e.Author = p.Actor.String(), line(is.Title, maxSubject), is.Author.User.String()
	pull := state.PullRequest{
		Number: is.ID, Action: action, Base: is.Into.ID, Head: is.From.Latest, HeadRef: is.From.ID,
		Fork: !is.From.sameRepository(is.Into),
	}
	if action == state.PullMerged {
		pull.MergeCommit = is.Properties.Merge.ID
	}
	return pullEvent(e, pull)
}
