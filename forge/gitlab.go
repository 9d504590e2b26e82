package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	gitlabField = 255 // characters of a status' description, name and link
	gitlabNote  = 1000000
)

// gitlab is GitLab, with its API below /api/v4.
type gitlab struct {
	*api
	project string // /projects/group%2Fsubgroup%2Fname
	identity
}

func newGitLab(a *api, where address) (Client, error) {
	a.name, a.scope = "GitLab", "the scope api and the role Developer, or Maintainer where the branch is protected"
	a.authorize = func(h http.Header, token string) { h.Set("PRIVATE-TOKEN", token) }
	a.below("/api/v4")
	folder := strings.TrimSuffix(a.base.Path, "/api/v4")
	return &gitlab{api: a, project: "/projects/" + url.PathEscape(strings.Join(where.below(folder), "/"))}, nil
}

type gitlabUser struct {
	ID int64 `json:"id"`
}

func (g *gitlab) SetStatus(ctx context.Context, s Status) error {
	state := map[State]string{Pending: "pending", Success: "success", Failure: "failed", Canceled: "canceled"}[s.State]
	body := map[string]string{"state": state, "name": cut(s.Context, gitlabField), "description": cut(oneLine(s.Description), gitlabField)}
	if s.URL != "" && len(s.URL) <= gitlabField {
		body["target_url"] = s.URL
	}
	var answer struct {
		Author gitlabUser `json:"author"`
	}
	_, err := g.call(ctx, "set the status "+s.Context, http.MethodPost, g.project+"/statuses/"+escape(s.Commit), body, &answer)
	if isRefusal(err, http.StatusBadRequest) {
		return g.already(ctx, s.Commit, body["name"], state, err)
	}
	if err == nil && answer.Author.ID != 0 {
		g.learn(number(answer.Author.ID))
	}
	return err
}

// already tells a state that the commit has, for which GitLab answers 400
// “Cannot transition”, from what it does not take.
func (g *gitlab) already(ctx context.Context, commit, name, state string, refused error) error {
	var list []struct {
		Name   string `json:"name"`
		Status string `json:"status"`
	}
	path := g.project + "/repository/commits/" + escape(commit) + "/statuses?per_page=100&name=" + url.QueryEscape(name)
	if _, err := g.call(ctx, "read the status "+name, http.MethodGet, path, nil, &list); err != nil {
		return err
	}
	for _, s := range list {
		if s.Name == name && s.Status == state {
			return nil
		}
	}
	return refused
}

func (g *gitlab) PutComment(ctx context.Context, pull int, marker, body string) error {
	return putComment(ctx, g, pull, gitlabNote, marker, body)
}

func (g *gitlab) self(ctx context.Context) (string, error) {
	return g.get(func() (string, error) {
		var user gitlabUser
		_, err := g.call(ctx, "ask whose the token is", http.MethodGet, "/user", nil, &user)
		return number(user.ID), err
	})
}

const gitlabDeveloper = 30

// Examine asks for the token's scopes, and for its user's role. A token of
// OAuth may not ask for the first, and an administrator has no role.
func (g *gitlab) Examine(ctx context.Context) (Standing, error) {
	type role struct {
		Level int `json:"access_level"`
	}
	var project struct {
		Permissions struct {
			Project *role `json:"project_access"`
			Group   *role `json:"group_access"`
		} `json:"permissions"`
	}
	s := Standing{Needs: g.scope}
	if _, err := g.call(ctx, "look at the project", http.MethodGet, g.project, nil, &project); err != nil {
		return s, err
	}
	level := 0
	for _, r := range []*role{project.Permissions.Project, project.Permissions.Group} {
		if r != nil {
			level = max(level, r.Level)
		}
	}
	switch {
	case level == 0:
		s.Unproven = "the role of the token's user"
	case level < gitlabDeveloper:
		s.Lacks = append(s.Lacks, "the role Developer")
	}
	var token struct {
		Scopes  []string `json:"scopes"`
		Expires string   `json:"expires_at"`
	}
	_, err := g.call(ctx, "ask what the token may do", http.MethodGet, "/personal_access_tokens/self", nil, &token)
	switch {
	case isRefusal(err):
		s.Unproven = unproven
	case err != nil:
		return s, err
	case !slices.Contains(token.Scopes, "api"):
		s.Lacks = append(s.Lacks, "the scope api")
	}
	s.Expires, _ = time.Parse(time.DateOnly, token.Expires)
	return s, nil
}

func (g *gitlab) notes(pull int) string {
	return fmt.Sprintf("%s/merge_requests/%d/notes", g.project, pull)
}

func (g *gitlab) comments(ctx context.Context, pull int, visit func(comment) bool) error {
	for page := "1"; page != ""; {
		var list []struct {
			ID     int64      `json:"id"`
			Body   string     `json:"body"`
			System bool       `json:"system"`
			Author gitlabUser `json:"author"`
		}
		path := g.notes(pull) + "?per_page=100&sort=asc&page=" + url.QueryEscape(page)
		header, err := g.call(ctx, "list comments", http.MethodGet, path, nil, &list)
		if err != nil {
			return err
		}
		for _, n := range list {
			if !n.System && !visit(comment{path: fmt.Sprintf("%s/%d", g.notes(pull), n.ID), author: number(n.Author.ID), text: n.Body}) {
				return nil
			}
		}
		next := header.Get("X-Next-Page")
		if next == page {
			return nil
		}
		page = next
	}
	return nil
}

func (g *gitlab) create(ctx context.Context, pull int, text string) error {
	_, err := g.call(ctx, "write a comment", http.MethodPost, g.notes(pull), map[string]string{"body": text}, nil)
	return err
}

func (g *gitlab) edit(ctx context.Context, c comment, text string) error {
	_, err := g.call(ctx, "edit the comment", http.MethodPut, c.path, map[string]string{"body": text}, nil)
	return err
}
