package webhook

import (
	"fmt"
	"strings"

	"deployer/state"
)

// azure reads the service hooks of Azure DevOps. They are not signed: whoever
// knows the user name and password of the subscription may send them, so the
// route must be served over HTTPS.
type azure struct{}

// Verify takes a secret as the password, whatever the user name, or as
// user:password.
func (azure) Verify(r Request, secrets [][]byte) error {
	header := r.Header.Get("Authorization")
	if header == "" {
		return fmt.Errorf("%w: the Authorization header is missing; set a user name and a password in the subscription", ErrUnsigned)
	}
	login, password, ok := basic(header)
	if !ok {
		return fmt.Errorf("%w: the Authorization header has no Basic credentials", ErrBadSignature)
	}
	matches := matchSecret(secrets, func(secret []byte) bool {
		asPassword, asPair := sameText([]byte(password), secret), sameText([]byte(login+":"+password), secret)
		return asPassword || asPair
	})
	if !matches {
		return fmt.Errorf("%w: the password is another secret", ErrBadSignature)
	}
	return nil
}

type azureDelivery struct {
	ID        string `json:"id"`
	EventType string `json:"eventType"`
	Resource  struct {
		PushedBy azureUser `json:"pushedBy"`
		Commits  []struct {
			ID      string `json:"commitId"`
			Comment string `json:"comment"`
			Author  struct {
				Name string `json:"name"`
			} `json:"author"`
		} `json:"commits"`
		Refs []struct {
			Name string `json:"name"`
			Old  string `json:"oldObjectId"`
			New  string `json:"newObjectId"`
		} `json:"refUpdates"`

		PullRequest int       `json:"pullRequestId"`
		Title       string    `json:"title"`
		CreatedBy   azureUser `json:"createdBy"`
		Status      string    `json:"status"` // active, abandoned or completed
		Source      string    `json:"sourceRefName"`
		Target      string    `json:"targetRefName"`
		Head        *struct {
			ID string `json:"commitId"`
		} `json:"lastMergeSourceCommit"`
		Merge *struct {
			ID string `json:"commitId"`
		} `json:"lastMergeCommit"`
		Repository struct {
			ID string `json:"id"`
		} `json:"repository"`
		Fork *struct {
			Repository struct {
				ID string `json:"id"`
			} `json:"repository"`
		} `json:"forkSource"` // only where the source is another repository
	} `json:"resource"`
}

type azureUser struct {
	Unique  string `json:"uniqueName"`
	Display string `json:"displayName"`
}

func (u azureUser) String() string { return line(first(u.Unique, u.Display), maxName) }

func (azure) Parse(r Request) ([]state.Event, error) {
	var d azureDelivery
	if err := decode(r, &d); err != nil {
		return nil, err
	}
	if err := checkDeliveryID("id", d.ID); err != nil {
		return nil, err
	}
	e := state.Event{Provider: "azure-devops", Delivery: d.ID, ReceivedAt: r.ReceivedAt}
	switch {
	case d.EventType == "":
		return nil, fmt.Errorf("%w: eventType is missing", ErrMalformed)
	case d.EventType == "git.push":
		return d.push(e)
	case strings.HasPrefix(d.EventType, "git.pullrequest."):
		return d.pullRequest(e)
	default:
		return otherEvent(e, d.EventType), nil
	}
}

func (d *azureDelivery) push(e state.Event) ([]state.Event, error) {
	var events []state.Event
	for _, u := range d.Resource.Refs {
		one := e
		one.Kind, one.Actor, one.Ref = state.EventPush, d.Resource.PushedBy.String(), u.Name
		if err := checkRef(u.Name); err != nil {
			return nil, err
		}
		var err error
		if one.Before, err = commitID("oldObjectId", u.Old); err != nil {
			return nil, err
		}
		if one.After, err = commitID("newObjectId", u.New); err != nil {
			return nil, err
		}
		one.Deleted = one.After == ""
		for _, c := range d.Resource.Commits {
			if c.ID == u.New {
				one.Subject, one.Author = line(c.Comment, maxSubject), line(c.Author.Name, maxName)
			}
		}
		events = append(events, one)
	}
	if len(events) == 0 {
		return ignored(e, "git.push: it changes no ref"), nil
	}
	return events, nil
}

// azurePulls are the events of pull requests that concern a plan; merged only
// says that Azure has tried to merge, also where the result is a preview.
var azurePulls = map[string]state.PullAction{
	"git.pullrequest.created": state.PullOpened, "git.pullrequest.updated": state.PullUpdated, "git.pullrequest.merged": state.PullUpdated,
}

func (d *azureDelivery) pullRequest(e state.Event) ([]state.Event, error) {
	action, known := azurePulls[d.EventType]
	if !known {
		return otherEvent(e, d.EventType), nil
	}
	is := d.Resource
	if is.PullRequest == 0 {
		return nil, fmt.Errorf("%w: resource.pullRequestId is missing", ErrMalformed)
	}
	e.Actor = is.CreatedBy.String()
	e.Subject, e.Author = line(is.Title, maxSubject), is.CreatedBy.String()
	pull := state.PullRequest{
		Number: is.PullRequest, Action: action, Base: is.Target, HeadRef: is.Source,
		Fork: is.Fork != nil && (is.Repository.ID == "" || is.Fork.Repository.ID != is.Repository.ID),
	}
	if is.Head != nil {
		pull.Head = is.Head.ID
	}
	switch is.Status {
	case "abandoned":
		pull.Action = state.PullClosed
	case "completed":
		pull.Action = state.PullMerged
		if is.Merge != nil {
			pull.MergeCommit = is.Merge.ID
		}
	}
	return pullEvent(e, pull)
}
