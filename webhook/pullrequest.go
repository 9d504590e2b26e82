package webhook

import (
	"fmt"
	"strings"

	"deployer/state"
)

// A pullRequest is the part of a pull request's payload that GitHub, Gogs and
// their descendants have in common.
type pullRequest struct {
	Action      string `json:"action"`
	Number      int    `json:"number"`
	PullRequest *struct {
		Number int      `json:"number"`
		Title  string   `json:"title"`
		User   account  `json:"user"`
		Merged bool     `json:"merged"`
		Commit *string  `json:"merge_commit_sha"`
		Head   *pullEnd `json:"head"`
		Base   *pullEnd `json:"base"`

		// As Gogs has it.
		HeadBranch string    `json:"head_branch"`
		BaseBranch string    `json:"base_branch"`
		HeadRepo   *pullRepo `json:"head_repo"`
		BaseRepo   *pullRepo `json:"base_repo"`
	} `json:"pull_request"`
	Changes struct {
		Base *struct{} `json:"base"` // GitHub: another branch to merge into
		Ref  *struct{} `json:"ref"`  // Gitea
	} `json:"changes"`
	Sender account `json:"sender"`
}

type pullRepo struct {
	ID int64 `json:"id"`
}

// A pullEnd is where a pull request comes from or goes to.
type pullEnd struct {
	Ref    string    `json:"ref"`
	SHA    string    `json:"sha"`
	Repo   *pullRepo `json:"repo"`
	RepoID int64     `json:"repo_id"` // Gitea
}

// pullActions are those of GitHub and of its descendants.
var pullActions = map[string]state.PullAction{
	"opened": state.PullOpened, "reopened": state.PullOpened,
	"synchronize": state.PullUpdated, "synchronized": state.PullUpdated, "ready_for_review": state.PullUpdated,
	"closed": state.PullClosed,
}

func parsePullRequest(r Request, e state.Event) ([]state.Event, error) {
	var p pullRequest
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	if p.PullRequest == nil {
		return nil, fmt.Errorf("%w: pull_request is missing", ErrMalformed)
	}
	action, known := pullActions[p.Action]
	if p.Action == "edited" && (p.Changes.Base != nil || p.Changes.Ref != nil) {
		action, known = state.PullUpdated, true
	}
	if !known {
		return unplanned(e, "pull_request", p.Action)
	}
	e.Actor = p.Sender.String()
	e.Subject = line(p.PullRequest.Title, maxSubject)
	e.Author = p.PullRequest.User.String()
	return p.announce(e, action)
}

// announce fills in between what and what the pull request is.
func (p *pullRequest) announce(e state.Event, action state.PullAction) ([]state.Event, error) {
	is := p.PullRequest
	pull := state.PullRequest{Number: p.Number, Action: action}
	if pull.Number == 0 {
		pull.Number = is.Number
	}
	head, base := is.Head, is.Base
	if base == nil && is.BaseBranch != "" {
		base, head = &pullEnd{Ref: is.BaseBranch, Repo: is.BaseRepo}, &pullEnd{Ref: is.HeadBranch, Repo: is.HeadRepo}
	}
	if base == nil {
		return nil, fmt.Errorf("%w: the branch to merge into is missing", ErrMalformed)
	}
	pull.Base, pull.Fork = branchRef(base.Ref), fromFork(head, base)
	if head != nil {
		pull.HeadRef, pull.Head = branchRef(head.Ref), head.SHA
	}
	if action == state.PullClosed && is.Merged {
		pull.Action = state.PullMerged
		if is.Commit != nil {
			pull.MergeCommit = *is.Commit
		}
	}
	return pullEvent(e, pull)
}

// fromFork is true unless both ends are shown to be one repository.
func fromFork(head, base *pullEnd) bool {
	switch {
	case head == nil:
		return true
	case head.Repo != nil && base.Repo != nil:
		return head.Repo.ID == 0 || head.Repo.ID != base.Repo.ID
	case head.Repo == nil && base.Repo == nil:
		return head.RepoID == 0 || head.RepoID != base.RepoID
	}
	return true
}

// branchRef is the full name of a branch; empty where there is none.
func branchRef(name string) string {
	if name == "" || strings.HasPrefix(name, "refs/") {
		return name
	}
	return "refs/heads/" + name
}

// pullEvent makes e the event of a pull request, once what names it is sound.
func pullEvent(e state.Event, p state.PullRequest) ([]state.Event, error) {
	if p.Number <= 0 {
		return nil, fmt.Errorf("%w: the pull request has no number", ErrMalformed)
	}
	if err := checkRef(p.Base); err != nil {
		return nil, fmt.Errorf("the branch to merge into: %w", err)
	}
	if p.HeadRef != "" {
		if err := checkRef(p.HeadRef); err != nil {
			return nil, fmt.Errorf("the branch that is proposed: %w", err)
		}
	}
	for field, id := range map[string]*string{"head": &p.Head, "merge commit": &p.MergeCommit} {
		if *id == "" {
			continue
		}
		var err error
		if *id, err = abbreviatedID(field, *id); err != nil {
			return nil, err
		}
	}
	e.Kind, e.PullRequest = state.EventPullRequest, &p
	return []state.Event{e}, nil
}

// unplanned ignores what changes nothing of a pull request's plan.
func unplanned(e state.Event, name, action string) ([]state.Event, error) {
	if action = line(action, maxName); action != "" {
		name += " " + action
	}
	return ignored(e, name+": neither its commits nor its branch have changed"), nil
}
