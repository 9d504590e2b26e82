package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Gitea keeps descriptions and comments as text without a limit; these keep
// them readable, and within what one comment of GitHub may be.
const (
	giteaDescription = 255
	giteaComment     = 65536
)

// gitea is Gitea, and Forgejo, which is alike. Its API is below /api/v1.
type gitea struct {
	*api
	repo string // /repos/owner/name
	identity
}

func newGitea(a *api, where address) (Client, error) {
	a.name, a.scope = "Gitea", "write:repository and write:issue, of a user who may write to the repository"
	a.authorize = func(h http.Header, token string) { h.Set("Authorization", "token "+token) }
	a.below("/api/v1")
	owner, name := where.pair()
	return &gitea{api: a, repo: "/repos/" + escape(owner, name)}, nil
}

type giteaUser struct {
	ID int64 `json:"id"`
}

func (g *gitea) SetStatus(ctx context.Context, s Status) error {
	state := map[State]string{Pending: "pending", Success: "success", Failure: "failure", Canceled: "error"}[s.State]
	body := map[string]string{"state": state, "context": s.Context, "description": cut(oneLine(s.Description), giteaDescription), "target_url": s.URL}
	var answer struct {
		Creator *giteaUser `json:"creator"`
	}
	_, err := g.call(ctx, "set the status "+s.Context, http.MethodPost, g.repo+"/statuses/"+escape(s.Commit), body, &answer)
	if later := (*Later)(nil); errors.As(err, &later) {
		return g.known(ctx, s.Commit, err)
	}
	if err == nil && answer.Creator != nil && answer.Creator.ID != 0 {
		g.learn(number(answer.Creator.ID))
	}
	return err
}

// known tells an outage from a commit that is gone, by a force-push say: for
// its status Gitea answers 500.
func (g *gitea) known(ctx context.Context, commit string, err error) error {
	_, look := g.call(ctx, "look for the commit", http.MethodGet, g.repo+"/git/commits/"+escape(commit)+"?stat=false&files=false&verification=false", nil, nil)
	if isRefusal(look, http.StatusNotFound, http.StatusUnprocessableEntity) {
		return &Refusal{Status: http.StatusNotFound, Why: err.Error(), Hint: "the commit is not there any more; nothing is lost"}
	}
	return err
}

func (g *gitea) PutComment(ctx context.Context, pull int, marker, body string) error {
	return putComment(ctx, g, pull, giteaComment, marker, body)
}

// self asks whose the token is. One without read:user may not ask, but each
// status that it sets tells.
func (g *gitea) self(ctx context.Context) (string, error) {
	return g.get(func() (string, error) {
		var user giteaUser
		_, err := g.call(ctx, "ask whose the token is", http.MethodGet, "/user", nil, &user)
		if r := (*Refusal)(nil); errors.As(err, &r) && r.Status == http.StatusForbidden {
			r.Hint = "give the token in forge.token of deployer.yaml read:user too"
		}
		return number(user.ID), err
	})
}

// Examine asks what the token's user may do to the repository, and tries the
// scopes of the token itself.
func (g *gitea) Examine(ctx context.Context) (Standing, error) {
	var repo struct {
		Permissions *struct {
			Push bool `json:"push"`
		} `json:"permissions"`
	}
	s := Standing{Needs: g.scope}
	_, err := g.call(ctx, "look at the repository", http.MethodGet, g.repo, nil, &repo)
	if err != nil {
		return s, err
	}
	if repo.Permissions != nil && !repo.Permissions.Push {
		s.Lacks = append(s.Lacks, "the right to write to the repository")
	}
	for _, scope := range []string{"write:repository", "write:issue"} {
		allowed, err := g.allows(ctx, scope)
		if err != nil {
			s.Unproven = unproven
		} else if !allowed {
			s.Lacks = append(s.Lacks, "the scope "+scope)
		}
	}
	return s, nil
}

// allows tries a scope with a write that no server can take: what it writes to
// is not there, and the content is no object. Gitea looks at the scopes of the
// token before either.
func (g *gitea) allows(ctx context.Context, scope string) (bool, error) {
	method, path := http.MethodPost, g.repo+"/statuses/"+strings.Repeat("0", 40)
	if scope == "write:issue" {
		method, path = http.MethodPatch, g.repo+"/issues/comments/0"
	}
	_, err := g.call(ctx, "try the scope "+scope, method, path, "nothing", nil)
	switch {
	case isRefusal(err, http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity):
		return true, nil
	case isRefusal(err, http.StatusForbidden) && strings.Contains(err.Error(), "required scope"):
		return false, nil
	case err == nil:
		return false, errors.New("it was taken")
	}
	return false, err
}

// comments reads page by page, though the versions of today give all of them
// at once, whatever page is asked for.
func (g *gitea) comments(ctx context.Context, pull int, visit func(comment) bool) error {
	seen := map[int64]bool{}
	for page := 1; ; page++ {
		var list []struct {
			ID   int64     `json:"id"`
			Body string    `json:"body"`
			User giteaUser `json:"user"`
		}
		header, err := g.call(ctx, "list comments", http.MethodGet, fmt.Sprintf("%s/issues/%d/comments?limit=50&page=%d", g.repo, pull, page), nil, &list)
		if err != nil {
			return err
		}
		before := len(seen)
		for _, c := range list {
			if seen[c.ID] {
				continue
			}
			seen[c.ID] = true
			if !visit(comment{path: fmt.Sprintf("%s/issues/comments/%d", g.repo, c.ID), author: number(c.User.ID), text: c.Body}) {
				return nil
			}
		}
		total, err := strconv.Atoi(header.Get("X-Total-Count"))
		if len(seen) == before || (err == nil && len(seen) >= total) {
			return nil
		}
	}
}

func (g *gitea) create(ctx context.Context, pull int, text string) error {
	_, err := g.call(ctx, "write a comment", http.MethodPost, fmt.Sprintf("%s/issues/%d/comments", g.repo, pull), map[string]string{"body": text}, nil)
	return err
}

func (g *gitea) edit(ctx context.Context, c comment, text string) error {
	_, err := g.call(ctx, "edit the comment", http.MethodPatch, c.path, map[string]string{"body": text}, nil)
	return err
}
