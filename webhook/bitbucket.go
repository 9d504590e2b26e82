package webhook

import (
	"fmt"
	"strings"

	"deployer/state"
)

// bitbucket reads the deliveries of Bitbucket Cloud.
type bitbucket struct{}

func (bitbucket) Verify(r Request, secrets [][]byte) error {
	return verifyHMAC(r, "X-Hub-Signature", "sha256=", r.Body, secrets)
}

func (bitbucket) Parse(r Request) ([]state.Event, error) {
	id, err := deliveryID(r.Header, "X-Request-UUID")
	if err != nil {
		return nil, err
	}
	e := state.Event{Provider: "bitbucket", Delivery: id, ReceivedAt: r.ReceivedAt}
	switch name := r.Header.Get("X-Event-Key"); {
	case name == "":
		return nil, fmt.Errorf("%w: the X-Event-Key header is missing", ErrMalformed)
	case name == "repo:push":
		return parseBitbucketPush(r, e)
	case strings.HasPrefix(name, "pullrequest:"):
		return parseBitbucketPullRequest(r, e, name)
	default:
		return otherEvent(e, name), nil
	}
}

type bitbucketUser struct {
	Nickname string `json:"nickname"`
	Name     string `json:"display_name"`
}

func (u bitbucketUser) String() string { return line(first(u.Nickname, u.Name), maxName) }

type bitbucketRef struct {
	Type   string `json:"type"` // branch, named_branch, bookmark or tag
	Name   string `json:"name"`
	Target struct {
		Hash    string `json:"hash"`
		Message string `json:"message"`
		Author  struct {
			Raw  string        `json:"raw"` // Name <address>
			User bitbucketUser `json:"user"`
		} `json:"author"`
	} `json:"target"`
}

func (r *bitbucketRef) full() string {
	if r.Type == "tag" {
		return "refs/tags/" + r.Name
	}
	return "refs/heads/" + r.Name
}

type bitbucketPush struct {
	Actor bitbucketUser `json:"actor"`
	Push  struct {
		Changes []struct {
			Old    *bitbucketRef `json:"old"` // nil where the ref is new
			New    *bitbucketRef `json:"new"` // nil where it is gone
			Forced bool          `json:"forced"`
		} `json:"changes"`
	} `json:"push"`
}

func parseBitbucketPush(r Request, e state.Event) ([]state.Event, error) {
	var p bitbucketPush
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	var events []state.Event
	for i, c := range p.Push.Changes {
		one := e
		one.Kind, one.Actor, one.Forced = state.EventPush, p.Actor.String(), c.Forced
		var err error
		if c.Old != nil {
			one.Ref = c.Old.full()
			if one.Before, err = abbreviatedID("old.target.hash", c.Old.Target.Hash); err != nil {
				return nil, err
			}
		}
		if c.New != nil {
			one.Ref = c.New.full()
			if one.After, err = abbreviatedID("new.target.hash", c.New.Target.Hash); err != nil {
				return nil, err
			}
			one.Subject = line(c.New.Target.Message, maxSubject)
			raw, _, _ := strings.Cut(c.New.Target.Author.Raw, "<")
			one.Author = first(line(raw, maxName), c.New.Target.Author.User.String())
		}
		if c.Old == nil && c.New == nil {
			return nil, fmt.Errorf("%w: push.changes[%d] has neither old nor new", ErrMalformed, i)
		}
		one.Deleted = c.New == nil
		if err := checkRef(one.Ref); err != nil {
			return nil, err
		}
		events = append(events, one)
	}
	if len(events) == 0 {
		return ignored(e, "push: it changes no ref"), nil
	}
	return events, nil
}

// bitbucketPulls are the events of pull requests that concern a plan.
// Bitbucket does not say what an update has changed.
var bitbucketPulls = map[string]state.PullAction{
	"pullrequest:created": state.PullOpened, "pullrequest:updated": state.PullUpdated,
	"pullrequest:fulfilled": state.PullMerged, "pullrequest:rejected": state.PullClosed,
}

type bitbucketEnd struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
	Commit *struct {
		Hash string `json:"hash"`
	} `json:"commit"`
	Repository *struct {
		UUID string `json:"uuid"`
		Name string `json:"full_name"`
	} `json:"repository"` // null where the fork is gone
}

func parseBitbucketPullRequest(r Request, e state.Event, name string) ([]state.Event, error) {
	action, known := bitbucketPulls[name]
	if !known { // comments, approvals
		return otherEvent(e, name), nil
	}
	var p struct {
		Actor       bitbucketUser `json:"actor"`
		PullRequest *struct {
			ID     int           `json:"id"`
			Title  string        `json:"title"`
			Author bitbucketUser `json:"author"`
			Source bitbucketEnd  `json:"source"`
			Into   bitbucketEnd  `json:"destination"`
			Merge  *struct {
				Hash string `json:"hash"`
			} `json:"merge_commit"`
		} `json:"pullrequest"`
	}
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	is := p.PullRequest
	if is == nil {
		return nil, fmt.Errorf("%w: pullrequest is missing", ErrMalformed)
	}
	e.Actor, e.Subject, e.Author = p.Actor.String(), line(is.Title, maxSubject), is.Author.String()
	pull := state.PullRequest{
		Number: is.ID, Action: action, Base: branchRef(is.Into.Branch.Name), HeadRef: branchRef(is.Source.Branch.Name),
		Fork: !is.Source.sameRepository(is.Into),
	}
	if is.Source.Commit != nil {
		pull.Head = is.Source.Commit.Hash
	}
	if is.Merge != nil {
		pull.MergeCommit = is.Merge.Hash
	}
	return pullEvent(e, pull)
}

func (s bitbucketEnd) sameRepository(o bitbucketEnd) bool {
	return s.Repository != nil && o.Repository != nil && s.Repository.UUID != "" && *s.Repository == *o.Repository
}
