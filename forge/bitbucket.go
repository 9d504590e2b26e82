package forge

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	bitbucketKey         = 40
	bitbucketDescription = 255
	bitbucketComment     = 32768
)

// bitbucket is Bitbucket Cloud, with its API below /2.0.
type bitbucket struct {
	*api
	repo string // /repositories/workspace/name
	page string // of the repository, for statuses without one
	identity
}

func newBitbucket(a *api, where address) (Client, error) {
	a.name, a.scope = "Bitbucket", "“Repositories: write” and “Pull requests: write”"
	a.authorize = func(h http.Header, token string) {
		if strings.Contains(token, ":") { // user:token, of a person
			h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(token)))
			return
		}
		bearer(h, token)
	}
	a.below("/2.0")
	owner, name := where.pair()
	return &bitbucket{api: a, repo: "/repositories/" + escape(owner, name), page: "https://bitbucket.org/" + escape(owner, name)}, nil
}

func (b *bitbucket) SetStatus(ctx context.Context, s Status) error {
	state := map[State]string{Pending: "INPROGRESS", Success: "SUCCESSFUL", Failure: "FAILED", Canceled: "STOPPED"}[s.State]
	body := map[string]string{
		"key": shortKey(s.Context, bitbucketKey), "state": state, "name": s.Context,
		"description": cut(oneLine(s.Description), bitbucketDescription), "url": or(s.URL, b.page+"/commits/"+s.Commit), // it has to be there
	}
	_, err := b.call(ctx, "set the status "+s.Context, http.MethodPost, b.repo+"/commit/"+escape(s.Commit)+"/statuses/build", body, nil)
	return err
}

// shortKey is a context, or as much of it as there is room for with a hash
// that tells it from others which begin alike.
func shortKey(context string, limit int) string {
	if utf8.RuneCountInString(context) <= limit {
		return context
	}
	sum := sha256.Sum256([]byte(context))
	return string([]rune(context)[:limit-9]) + "-" + hex.EncodeToString(sum[:4])
}

func (b *bitbucket) PutComment(ctx context.Context, pull int, marker, body string) error {
	marker, body = plainMarkdown(marker, body)
	return putComment(ctx, b, pull, bitbucketComment, marker, body)
}

var (
	htmlCode    = regexp.MustCompile(`<code>([^<]*)</code>`)
	htmlSummary = regexp.MustCompile(`(?s)<summary>(.*?)</summary>`)
	codeText    = strings.NewReplacer("`", "'", "\n", " ", "|", "¦") // what would end a code span, or a cell
	htmlTags    = strings.NewReplacer("<details>", "", "</details>", "", "<details open>", "", "<b>", "**", "</b>", "**", "<br>", " ", "<br/>", " ")
)

// plainMarkdown makes what Bitbucket shows of a comment: it prints HTML as it
// is written. The marker becomes a link that nothing refers to.
func plainMarkdown(marker, body string) (string, string) {
	hidden := "[//]: # (" + strings.NewReplacer("(", "", ")", "").Replace(strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(marker, "<!--"), "-->"))) + ")"
	body = strings.ReplaceAll(body, marker, "")
	body = htmlTags.Replace(htmlSummary.ReplaceAllString(body, "**$1**"))
	body = htmlCode.ReplaceAllStringFunc(body, func(code string) string {
		text := html.UnescapeString(htmlCode.FindStringSubmatch(code)[1])
		return "`" + codeText.Replace(text) + "`"
	})
	return hidden, "\n" + strings.TrimSpace(body)
}

// self asks whose the token is, which that of a repository may not.
func (b *bitbucket) self(ctx context.Context) (string, error) {
	id, err := b.get(func() (string, error) {
		var user struct {
			UUID string `json:"uuid"`
		}
		_, err := b.call(ctx, "ask whose the token is", http.MethodGet, "/user", nil, &user)
		return user.UUID, err
	})
	if isRefusal(err, http.StatusForbidden, http.StatusNotFound) {
		return nobody, nil
	}
	return id, err
}

// Examine reads the scopes that Bitbucket names in a header, of whatever kind
// the token is.
func (b *bitbucket) Examine(ctx context.Context) (Standing, error) {
	s := Standing{Needs: b.scope}
	header, err := b.call(ctx, "look at the repository", http.MethodGet, b.repo, nil, nil)
	if err != nil {
		return s, err
	}
	have := scopes(header.Get("X-OAuth-Scopes"))
	if len(have) == 0 {
		s.Unproven = unproven
		return s, nil
	}
	if !anyOf(have, "repository", "repository:write", "repository:admin", "write:repository:bitbucket") {
		s.Lacks = append(s.Lacks, "“Repositories: write”")
	}
	if !anyOf(have, "pullrequest", "pullrequest:write", "write:pullrequest:bitbucket") {
		s.Lacks = append(s.Lacks, "“Pull requests: write”")
	}
	return s, nil
}

func (b *bitbucket) comments(ctx context.Context, pull int, visit func(comment) bool) error {
	path := fmt.Sprintf("%s/pullrequests/%d/comments?pagelen=100", b.repo, pull)
	for path != "" {
		var page struct {
			Next   string `json:"next"`
			Values []struct {
				ID      int64 `json:"id"`
				Deleted bool  `json:"deleted"`
				Content struct {
					Raw string `json:"raw"`
				} `json:"content"`
				User struct {
					UUID string `json:"uuid"`
				} `json:"user"`
			} `json:"values"`
		}
		if _, err := b.call(ctx, "list comments", http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		for _, c := range page.Values {
			found := comment{path: fmt.Sprintf("%s/pullrequests/%d/comments/%d", b.repo, pull, c.ID), author: c.User.UUID, text: c.Content.Raw}
			if !c.Deleted && !visit(found) {
				return nil
			}
		}
		if path == page.Next {
			return nil
		}
		path = page.Next
	}
	return nil
}

func bitbucketText(text string) any { return map[string]any{"content": map[string]string{"raw": text}} }

func (b *bitbucket) create(ctx context.Context, pull int, text string) error {
	_, err := b.call(ctx, "write a comment", http.MethodPost, fmt.Sprintf("%s/pullrequests/%d/comments", b.repo, pull), bitbucketText(text), nil)
	return err
}

func (b *bitbucket) edit(ctx context.Context, c comment, text string) error {
	_, err := b.call(ctx, "edit the comment", http.MethodPut, c.path, bitbucketText(text), nil)
	return err
}
