package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	bitbucketServerKey  = 255 // characters, also of a description
	bitbucketServerText = 32768
)

// bitbucketServer is Bitbucket Data Center, with its API below /rest/api.
type bitbucketServer struct {
	*api
	repo string // /projects/KEY/repos/slug
	page string // of the repository, for statuses without one
	identity
}

// newBitbucketServer takes …/scm/KEY/slug.git and ssh://…/KEY/slug.git, where
// KEY may be a person's ~name.
func newBitbucketServer(a *api, where address) (Client, error) {
	a.name, a.scope = "Bitbucket Data Center", "“Repository write”, of a user who may write to the repository"
	a.authorize = bearer
	a.base.Path, _, _ = strings.Cut(a.base.Path, "/rest/api")
	page := a.base.String()
	a.below("/rest/api/latest")
	project, slug := where.pair()
	repo := "/projects/" + escape(project) + "/repos/" + escape(slug)
	return &bitbucketServer{api: a, repo: repo, page: page + repo}, nil
}

func (b *bitbucketServer) SetStatus(ctx context.Context, s Status) error {
	state := map[State]string{Pending: "INPROGRESS", Success: "SUCCESSFUL", Failure: "FAILED", Canceled: "CANCELLED"}[s.State]
	body := map[string]string{
		"key": shortKey(s.Context, bitbucketServerKey), "state": state, "name": cut(s.Context, bitbucketServerKey),
		"description": cut(oneLine(s.Description), bitbucketServerKey), "url": or(s.URL, b.page+"/commits/"+s.Commit), // it has to be there
	}
	header, err := b.call(ctx, "set the status "+s.Context, http.MethodPost, b.repo+"/commits/"+escape(s.Commit)+"/builds", body, nil)
	if err == nil {
		b.learn(header.Get("X-AUSERNAME"))
	}
	return err
}

func (b *bitbucketServer) PutComment(ctx context.Context, pull int, marker, body string) error {
	marker, body = plainMarkdown(marker, body)
	return putComment(ctx, b, pull, bitbucketServerText, marker, body)
}

// self is in a header of every answer.
func (b *bitbucketServer) self(ctx context.Context) (string, error) {
	return b.get(func() (string, error) {
		header, err := b.call(ctx, "ask whose the token is", http.MethodGet, b.repo, nil, nil)
		return header.Get("X-AUSERNAME"), err
	})
}

// Examine asks for the repositories that the token may write to. A header
// names its user: a public repository answers those without a token too.
func (b *bitbucketServer) Examine(ctx context.Context) (Standing, error) {
	type repository struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	var own repository
	s := Standing{Needs: b.scope}
	header, err := b.call(ctx, "look at the repository", http.MethodGet, b.repo, nil, &own)
	if err != nil {
		return s, err
	}
	if header.Get("X-AUSERNAME") == "" {
		return s, &Refusal{Status: http.StatusUnauthorized, Why: b.name + " takes the token for nobody's", Hint: b.hint(http.StatusUnauthorized)}
	}
	var list struct {
		Values []repository `json:"values"`
	}
	_, err = b.call(ctx, "ask what the token may write to", http.MethodGet, "/repos?permission=REPO_WRITE&limit=1000&name="+url.QueryEscape(own.Name), nil, &list)
	switch {
	case isRefusal(err):
		s.Unproven = unproven
	case err != nil:
		return s, err
	case !slices.Contains(list.Values, own):
		s.Lacks = append(s.Lacks, "“Repository write”")
	}
	return s, nil
}

func (b *bitbucketServer) pull(pull int) string {
	return fmt.Sprintf("%s/pull-requests/%d", b.repo, pull)
}

func (b *bitbucketServer) comments(ctx context.Context, pull int, visit func(comment) bool) error {
	for start := 0; ; {
		var page struct {
			IsLastPage    bool `json:"isLastPage"`
			NextPageStart int  `json:"nextPageStart"`
			Values        []struct {
				Action  string `json:"action"`
				Comment struct {
					ID      int64  `json:"id"`
					Version int    `json:"version"`
					Text    string `json:"text"`
					Author  struct {
						Name string `json:"name"`
					} `json:"author"`
				} `json:"comment"`
			} `json:"values"`
		}
		path := fmt.Sprintf("%s/activities?limit=100&start=%d", b.pull(pull), start)
		if _, err := b.call(ctx, "list comments", http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		for _, v := range page.Values {
			found := comment{path: fmt.Sprintf("%s/comments/%d", b.pull(pull), v.Comment.ID), author: v.Comment.Author.Name, text: v.Comment.Text, version: v.Comment.Version}
			if v.Action == "COMMENTED" && !visit(found) {
				return nil
			}
		}
		if page.IsLastPage || page.NextPageStart <= start {
			return nil
		}
		start = page.NextPageStart
	}
}

func (b *bitbucketServer) create(ctx context.Context, pull int, text string) error {
	_, err := b.call(ctx, "write a comment", http.MethodPost, b.pull(pull)+"/comments", map[string]string{"text": text}, nil)
	return err
}

func (b *bitbucketServer) edit(ctx context.Context, c comment, text string) error {
	_, err := b.call(ctx, "edit the comment", http.MethodPut, c.path, map[string]any{"text": text, "version": c.version}, nil)
	return err
}
