package webhook

import (
	"fmt"
	"strings"

	"deployer/state"
)

// gitlab reads the deliveries of GitLab.com and of GitLab of one's own, also
// those of its system hooks.
type gitlab struct{}

// Verify takes the secret token in plain or, where the secret is a signing
// token (whsec_…), only its signature.
func (gitlab) Verify(r Request, secrets [][]byte) error {
	var plain, signing [][]byte
	for _, s := range secrets {
		if strings.HasPrefix(string(s), signingPrefix) {
			signing = append(signing, s)
		} else {
			plain = append(plain, s)
		}
	}
	token := r.Header.Get("X-Gitlab-Token")
	if len(signing) > 0 && (len(plain) == 0 || token == "" || r.Header.Get("webhook-signature") != "") {
		if err := verifyStandard(r, signing); err == nil || len(plain) == 0 || token == "" {
			return err
		}
	}
	if token == "" {
		return fmt.Errorf("%w: the X-Gitlab-Token header is missing", ErrUnsigned)
	}
	if !matchSecret(plain, func(secret []byte) bool { return sameText([]byte(token), secret) }) {
		return fmt.Errorf("%w: X-Gitlab-Token is another secret", ErrBadSignature)
	}
	return nil
}

func (gitlab) Parse(r Request) ([]state.Event, error) {
	id, err := firstID(r.Header, "Idempotency-Key", "webhook-id", "X-Gitlab-Event-UUID")
	if err != nil {
		return nil, err
	}
	e := state.Event{Provider: "gitlab", Delivery: id, ReceivedAt: r.ReceivedAt}
	if r.Header.Get("X-Gitlab-Event") == "" {
		return nil, fmt.Errorf("%w: the X-Gitlab-Event header is missing", ErrMalformed)
	}
	// The body has it too, and of a system hook only the body.
	var d gitlabDelivery
	if err := decode(r, &d); err != nil {
		return nil, err
	}
	switch kind := first(d.ObjectKind, d.EventName); kind {
	case "push", "tag_push":
		return d.push(e)
	case "merge_request":
		return d.mergeRequest(e)
	case "":
		return nil, fmt.Errorf("%w: object_kind is missing", ErrMalformed)
	default:
		return otherEvent(e, kind), nil
	}
}

// A gitlabDelivery is the part of GitLab's payloads that is read.
type gitlabDelivery struct {
	ObjectKind string `json:"object_kind"`
	EventName  string `json:"event_name"`

	Ref      string   `json:"ref"`
	Before   string   `json:"before"`
	After    string   `json:"after"`
	Checkout string   `json:"checkout_sha"` // the commit, where after is the object of a tag
	UserName string   `json:"user_username"`
	FullName string   `json:"user_name"`
	Commits  []commit `json:"commits"`

	User account `json:"user"`
	Is   struct {
		Number int     `json:"iid"`
		Title  string  `json:"title"`
		Action string  `json:"action"`
		OldRev string  `json:"oldrev"`
		Last   commit  `json:"last_commit"`
		Source string  `json:"source_branch"`
		Target string  `json:"target_branch"`
		From   *int64  `json:"source_project_id"`
		Into   *int64  `json:"target_project_id"`
		Merged *string `json:"merge_commit_sha"`
		Squash *string `json:"squash_commit_sha"`
	} `json:"object_attributes"`
	Changes struct {
		Target *struct{} `json:"target_branch"`
	} `json:"changes"`
}

// push never calls the paths complete: GitLab does not say whether a push was
// forced.
func (d *gitlabDelivery) push(e state.Event) ([]state.Event, error) {
	p := push{Ref: d.Ref, Before: d.Before, After: d.After, Commits: d.Commits, Pusher: account{Username: d.UserName, Name: d.FullName}}
	e, err := p.event(e)
	if err != nil {
		return nil, err
	}
	if d.Checkout != "" && !e.Deleted {
		if e.After, err = commitID("checkout_sha", d.Checkout); err != nil {
			return nil, err
		}
	}
	e.Paths, _ = p.paths(e)
	return []state.Event{e}, nil
}

// mergeActions are GitLab's; an update needs a closer look.
var mergeActions = map[string]state.PullAction{
	"open": state.PullOpened, "reopen": state.PullOpened, "update": state.PullUpdated,
	"close": state.PullClosed, "merge": state.PullMerged,
}

// mergeRequest leaves out what changed no commit and no branch: a title, a
// label, an approval, that it is no draft any more.
func (d *gitlabDelivery) mergeRequest(e state.Event) ([]state.Event, error) {
	is := d.Is
	action, known := mergeActions[is.Action]
	if !known || (is.Action == "update" && is.OldRev == "" && d.Changes.Target == nil) {
		return unplanned(e, "merge_request", is.Action)
	}
	e.Actor = d.User.String()
	e.Subject = line(is.Title, maxSubject)
	e.Author = first(line(is.Last.Author.Name, maxName), e.Actor)
	p := state.PullRequest{
		Number: is.Number, Action: action, Base: branchRef(is.Target), Head: is.Last.ID, HeadRef: branchRef(is.Source),
		Fork: is.From == nil || is.Into == nil || *is.From != *is.Into,
	}
	if action == state.PullMerged {
		for _, made := range []*string{is.Merged, is.Squash} { // a fast-forward makes none
			if made != nil && p.MergeCommit == "" {
				p.MergeCommit = *made
			}
		}
		p.MergeCommit = first(p.MergeCommit, p.Head)
	}
	return pullEvent(e, p)
}
