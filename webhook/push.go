package webhook

import (
	"slices"

	"deployer/state"
)

// A push is the part of a push payload that GitHub and those who followed it
// have in common.
type push struct {
	Ref     string   `json:"ref"`
	Before  string   `json:"before"`
	After   string   `json:"after"`
	Deleted bool     `json:"deleted"`
	Forced  bool     `json:"forced"`
	Head    *commit  `json:"head_commit"`
	Commits []commit `json:"commits"`
	Size    *int     `json:"size"` // commits in the push, where the forge counts them
	Pusher  account  `json:"pusher"`
	Sender  account  `json:"sender"`
}

type commit struct {
	ID       string   `json:"id"`
	Message  string   `json:"message"`
	Author   account  `json:"author"`
	Added    []string `json:"added"`
	Removed  []string `json:"removed"`
	Modified []string `json:"modified"`
}

type account struct {
	Login    string `json:"login"`
	Username string `json:"username"`
	Name     string `json:"name"`
}

func (a account) String() string { return line(first(a.Login, a.Username, a.Name), maxName) }

// event fills what the push says into e.
func (p *push) event(e state.Event) (state.Event, error) {
	if err := checkRef(p.Ref); err != nil {
		return e, err
	}
	before, err := commitID("before", p.Before)
	if err != nil {
		return e, err
	}
	after, err := commitID("after", p.After)
	if err != nil {
		return e, err
	}
	if p.Deleted {
		after = ""
	}
	e.Kind = state.EventPush
	e.Ref, e.Before, e.After = p.Ref, before, after
	e.Deleted, e.Forced = after == "", p.Forced
	e.Actor = first(p.Sender.String(), p.Pusher.String())
	if head := p.head(); head != nil {
		e.Subject = line(head.Message, maxSubject)
		e.Author = line(first(head.Author.Name, head.Author.Username), maxName)
	}
	return e, nil
}

// head is the commit that the ref points to after the push, where the payload has it.
func (p *push) head() *commit {
	if p.Head != nil {
		return p.Head
	}
	at := slices.IndexFunc(p.Commits, func(c commit) bool { return c.ID == p.After })
	if at < 0 {
		return nil
	}
	return &p.Commits[at]
}
