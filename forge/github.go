package forge

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// GitHub refuses what is longer.
const (
	githubDescription = 140
	githubComment     = 65536
)

// github is GitHub, and GitHub Enterprise with its API below /api/v3.
type github struct {
	*api
	repo string // /repos/owner/name
	identity
}

func newGitHub(a *api, where address) (Client, error) {
	a.name, a.scope = "GitHub", "“Commit statuses” and “Pull requests”, both read and write (a classic token: repo), and “Deployments” where they are to be shown"
	a.authorize = func(h http.Header, token string) {
		bearer(h, token)
		h.Set("Accept", "application/vnd.github+json")
		h.Set("X-GitHub-Api-Version", "2022-11-28")
	}
	owner, name := where.pair()
	return &github{api: a, repo: "/repos/" + escape(owner, name)}, nil
}

type githubUser struct {
	ID int64 `json:"id"`
}

func (g *github) SetStatus(ctx context.Context, s Status) error {
	state := map[State]string{Pending: "pending", Success: "success", Failure: "failure", Canceled: "error"}[s.State]
	body := map[string]string{"state": state, "context": s.Context, "description": cut(oneLine(s.Description), githubDescription)}
	if s.URL != "" {
		body["target_url"] = s.URL
	}
	var answer struct {
		Creator githubUser `json:"creator"`
	}
	_, err := g.call(ctx, "set the status "+s.Context, http.MethodPost, g.repo+"/statuses/"+escape(s.Commit), body, &answer)
	if err == nil && answer.Creator.ID != 0 {
		g.learn(number(answer.Creator.ID))
	}
	return err
}

func (g *github) PutComment(ctx context.Context, pull int, marker, body string) error {
	return putComment(ctx, g, pull, githubComment, marker, body)
}

// self asks whose the token is. An App's token may not ask, but each status
// that it sets tells.
func (g *github) self(ctx context.Context) (string, error) {
	return g.get(func() (string, error) {
		var user githubUser
		_, err := g.call(ctx, "ask whose the token is", http.MethodGet, "/user", nil, &user)
		return number(user.ID), err
	})
}

// Examine reads the scopes of a classic token in a header. One of another kind
// has no such header, and what it may do to a repository is not told.
func (g *github) Examine(ctx context.Context) (Standing, error) {
	var repo struct {
		Private     bool `json:"private"`
		Permissions *struct {
			Push bool `json:"push"`
		} `json:"permissions"`
	}
	s := Standing{Needs: g.scope}
	header, err := g.call(ctx, "look at the repository", http.MethodGet, g.repo, nil, &repo)
	if err != nil {
		return s, err
	}
	if repo.Permissions != nil && !repo.Permissions.Push {
		s.Lacks = append(s.Lacks, "the right to write to the repository")
	}
	switch have := scopes(header.Get("X-OAuth-Scopes")); {
	case len(header.Values("X-OAuth-Scopes")) == 0:
		s.Unproven = unproven
	case anyOf(have, "repo") || !repo.Private && anyOf(have, "public_repo"):
	default:
		s.Lacks = append(s.Lacks, "the scope repo")
	}
	s.Expires, _ = time.Parse("2006-01-02 15:04:05 MST", header.Get("GitHub-Authentication-Token-Expiration"))
	return s, nil
}

func (g *github) comments(ctx context.Context, pull int, visit func(comment) bool) error {
	const perPage = 100
	for page := 1; ; page++ {
		var list []struct {
			ID   int64      `json:"id"`
			Body string     `json:"body"`
			User githubUser `json:"user"`
		}
		path := fmt.Sprintf("%s/issues/%d/comments?per_page=%d&page=%d", g.repo, pull, perPage, page)
		if _, err := g.call(ctx, "list comments", http.MethodGet, path, nil, &list); err != nil {
			return err
		}
		for _, c := range list {
			if !visit(comment{path: fmt.Sprintf("%s/issues/comments/%d", g.repo, c.ID), author: number(c.User.ID), text: c.Body}) {
				return nil
			}
		}
		if len(list) < perPage {
			return nil
		}
	}
}

func (g *github) create(ctx context.Context, pull int, text string) error {
	_, err := g.call(ctx, "write a comment", http.MethodPost, fmt.Sprintf("%s/issues/%d/comments", g.repo, pull), map[string]string{"body": text}, nil)
	return err
}

func (g *github) edit(ctx context.Context, c comment, text string) error {
	_, err := g.call(ctx, "edit the comment", http.MethodPatch, c.path, map[string]string{"body": text}, nil)
	return err
}
