package forge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	azureDescription = 255
	azureComment     = 150000
	azureVersion     = "api-version=7.1"
)

// azure is Azure DevOps, the service and the server.
type azure struct {
	*api
	root string // of the organization or collection, below the API's address
	repo string // …/project/_apis/git/repositories/name
	identity
}

func newAzure(a *api, where address) (Client, error) {
	a.name, a.scope = "Azure DevOps", "“Code: status” and “Code: read & write”"
	a.authorize = func(h http.Header, token string) {
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(":"+token)))
	}
	root, project, name, err := azureNames(where)
	if err != nil {
		return nil, err
	}
	root = azureRoot(a, where, root)
	below := ""
	if len(root) > 0 {
		below = "/" + escape(root...)
	}
	return &azure{api: a, root: below, repo: below + "/" + escape(project) + "/_apis/git/repositories/" + escape(name)}, nil
}

// azureNames reads what clone URLs of Azure look like:
//
//	https://dev.azure.com/org/project/_git/name
//	https://org.visualstudio.com/project/_git/name
//	https://server/collection/project/_git/name
//	git@ssh.dev.azure.com:v3/org/project/name
//
// A repository that is named after its project may leave the project out.
func azureNames(where address) (root []string, project, name string, err error) {
	parts := where.parts
	if at := slices.Index(parts, "_git"); at >= 0 && at == len(parts)-2 {
		name = parts[at+1]
		before := parts[:at]
		if len(before) > 0 && strings.EqualFold(before[0], "DefaultCollection") {
			before = before[1:]
		}
		fewest := 2 // organization and project
		if strings.HasSuffix(where.host, ".visualstudio.com") {
			fewest = 1
		}
		if len(before) < fewest {
			return before, name, name, nil
		}
		return before[:len(before)-1], before[len(before)-1], name, nil
	}
	if len(parts) == 4 && parts[0] == "v3" {
		parts = parts[1:]
	}
	if len(parts) == 3 {
		return parts[:1], parts[1], parts[2], nil
	}
	return nil, "", "", errors.New("this is no clone URL of Azure DevOps; give repository: organization/project/name")
}

// azureRoot is what has to stand between the API's address, which may name the
// organization already, and the project.
func azureRoot(a *api, where address, root []string) []string {
	if organization, ok := strings.CutSuffix(where.host, ".visualstudio.com"); ok && len(root) == 0 && a.base.Host == "dev.azure.com" {
		root = []string{organization}
	}
	have := strings.Split(strings.Trim(a.base.Path, "/"), "/")
	for n := min(len(have), len(root)); n > 0; n-- {
		if slices.EqualFunc(have[len(have)-n:], root[:n], strings.EqualFold) {
			return root[n:]
		}
	}
	return root
}

type azureUser struct {
	ID string `json:"id"`
}

func (z *azure) SetStatus(ctx context.Context, s Status) error {
	return z.setStatus(ctx, z.repo+"/commits/"+escape(s.Commit)+"/statuses?"+azureVersion, s)
}

// SetPullStatus is what a branch policy of Azure's can require.
func (z *azure) SetPullStatus(ctx context.Context, pull int, s Status) error {
	return z.setStatus(ctx, fmt.Sprintf("%s/pullRequests/%d/statuses?%s", z.repo, pull, azureVersion), s)
}

func (z *azure) setStatus(ctx context.Context, path string, s Status) error {
	state := map[State]string{Pending: "pending", Success: "succeeded", Failure: "failed", Canceled: "notApplicable"}[s.State]
	genre, name, ok := strings.Cut(s.Context, "/")
	if !ok {
		genre, name = "deployer", s.Context
	}
	body := map[string]any{
		"state": state, "description": cut(oneLine(s.Description), azureDescription),
		"context": map[string]string{"genre": genre, "name": name},
	}
	if s.URL != "" {
		body["targetUrl"] = s.URL
	}
	var answer struct {
		CreatedBy azureUser `json:"createdBy"`
	}
	_, err := z.call(ctx, "set the status "+s.Context, http.MethodPost, path, body, &answer)
	if err == nil {
		z.learn(answer.CreatedBy.ID)
	}
	return err
}

func (z *azure) PutComment(ctx context.Context, pull int, marker, body string) error {
	return putComment(ctx, z, pull, azureComment, marker, body)
}

func (z *azure) self(ctx context.Context) (string, error) {
	return z.get(func() (string, error) {
		var answer struct {
			User azureUser `json:"authenticatedUser"`
		}
		_, err := z.call(ctx, "ask whose the token is", http.MethodGet, z.root+"/_apis/connectionData", nil, &answer)
		return answer.User.ID, err
	})
}

// azureNobody is who asks without a token.
const azureNobody = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"

// Examine asks whose the token is and looks at the repository; what a token
// may do is not told.
func (z *azure) Examine(ctx context.Context) (Standing, error) {
	s := Standing{Needs: z.scope, Unproven: unproven}
	id, err := z.self(ctx)
	if err == nil && (id == "" || id == azureNobody) {
		err = &Refusal{Status: http.StatusUnauthorized, Why: z.name + " takes the token for nobody's", Hint: z.hint(http.StatusUnauthorized)}
	}
	if err == nil {
		_, err = z.call(ctx, "look at the repository", http.MethodGet, z.repo+"?"+azureVersion, nil, nil)
	}
	return s, err
}

func (z *azure) threads(pull int) string {
	return fmt.Sprintf("%s/pullRequests/%d/threads", z.repo, pull)
}

// comments are in threads, which come all at once.
func (z *azure) comments(ctx context.Context, pull int, visit func(comment) bool) error {
	var list struct {
		Value []struct {
			ID        int64 `json:"id"`
			IsDeleted bool  `json:"isDeleted"`
			Comments  []struct {
				ID        int64     `json:"id"`
				Author    azureUser `json:"author"`
				Content   string    `json:"content"`
				IsDeleted bool      `json:"isDeleted"`
			} `json:"comments"`
		} `json:"value"`
	}
	if _, err := z.call(ctx, "list comments", http.MethodGet, z.threads(pull)+"?"+azureVersion, nil, &list); err != nil {
		return err
	}
	for _, thread := range list.Value {
		for _, c := range thread.Comments {
			found := comment{path: fmt.Sprintf("%s/%d/comments/%d?%s", z.threads(pull), thread.ID, c.ID, azureVersion), author: c.Author.ID, text: c.Content}
			if !thread.IsDeleted && !c.IsDeleted && !visit(found) {
				return nil
			}
		}
	}
	return nil
}

// create makes a thread that is closed: an open one can stand in the way of a
// merge until somebody resolves it.
func (z *azure) create(ctx context.Context, pull int, text string) error {
	body := map[string]any{"status": "closed", "comments": []any{map[string]any{"parentCommentId": 0, "commentType": "text", "content": text}}}
	_, err := z.call(ctx, "write a comment", http.MethodPost, z.threads(pull)+"?"+azureVersion, body, nil)
	return err
}

func (z *azure) edit(ctx context.Context, c comment, text string) error {
	_, err := z.call(ctx, "edit the comment", http.MethodPatch, c.path, map[string]string{"content": text}, nil)
	return err
}
