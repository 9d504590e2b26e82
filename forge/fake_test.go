package forge

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

const (
	fakeToken = "canary-token-of-the-forge"
	commitOne = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
	me, other = 7, 8 // users
)

// A fakeForge behaves as the documents of one forge say, as far as statuses
// and comments go.
type fakeForge struct {
	t   *testing.T
	url string

	mu          sync.Mutex
	statuses    []fakeStatus
	comments    []*fakeComment
	writes      int
	lookups     int                            // of whose the token is
	answer      func(http.ResponseWriter) bool // instead of the forge's own
	noUser      bool                           // the token may not ask whose it is
	authorsOnly bool                           // may edit a comment
	deployments []map[string]any               // and what became of them; nil: the token may not
}

type fakeStatus struct{ commit, context, state, description, url string }

type fakeComment struct {
	id, author, version int
	text                string
	deleted             bool
}

// A provider is one row of the tables below.
type provider struct {
	name, api, clone string
	auth             func(*http.Request) bool
	serve            func(f *fakeForge, w http.ResponseWriter, r *http.Request)
	states           [4]string // pending, success, failure, canceled
	key              func(string) string
	paged            bool
}

func same(s string) string { return s }

func header(name, value string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get(name) == value }
}

func providers() []provider {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(":"+fakeToken))
	return []provider{
		{"github", "", "https://github.com/ops/infra.git", header("Authorization", "Bearer "+fakeToken), serveGitHub, [4]string{"pending", "success", "failure", "error"}, same, true},
		{"github", "/api/v3", "git@ghe.example.com:ops/infra.git", header("Authorization", "Bearer "+fakeToken), serveGitHub, [4]string{"pending", "success", "failure", "error"}, same, true},
		{"gitlab", "", "https://gitlab.example.com/ops/prod/infra.git", header("PRIVATE-TOKEN", fakeToken), serveGitLab, [4]string{"pending", "success", "failed", "canceled"}, same, true},
		{"gitea", "", "https://git.example.com/ops/infra.git", header("Authorization", "token "+fakeToken), serveGitea, [4]string{"pending", "success", "failure", "error"}, same, false},
		{"forgejo", "/api/v1", "ssh://git@git.example.com:2222/ops/infra.git", header("Authorization", "token "+fakeToken), serveGitea, [4]string{"pending", "success", "failure", "error"}, same, false},
		{"bitbucket", "", "https://bitbucket.org/ops/infra.git", header("Authorization", "Bearer "+fakeToken), serveBitbucket, [4]string{"INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"}, func(c string) string { return shortKey(c, 40) }, true},
		{"bitbucket-server", "", "https://git.example.com/scm/OPS/infra.git", header("Authorization", "Bearer "+fakeToken), serveBitbucketServer, [4]string{"INPROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED"}, same, true},
		{"azure-devops", "", "https://dev.azure.com/acme/My%20Project/_git/infra", header("Authorization", basic), serveAzure, [4]string{"pending", "succeeded", "failed", "notApplicable"}, same, false},
	}
}

func start(t *testing.T, p provider) (*fakeForge, Client) {
	t.Helper()
	f := &fakeForge{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.answer != nil && f.answer(w) {
			return
		}
		if !p.auth(r) {
			refuse(w, http.StatusUnauthorized, "Bad credentials")
			return
		}
		p.serve(f, w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f, client(t, p, server.URL)
}

func client(t *testing.T, p provider, url string) Client {
	t.Helper()
	c, err := New(Options{
		Provider: p.name, API: url + p.api, Repository: p.clone, Doer: &http.Client{},
		Token: func() (string, error) { return fakeToken, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refuse(w http.ResponseWriter, code int, message string) {
	reply(w, code, map[string]any{"message": message})
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

func read(r *http.Request) map[string]any {
	var v map[string]any
	raw, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(raw, &v)
	return v
}

func text(v any) string { s, _ := v.(string); return s }

// match reads a path against a pattern with * for a segment, escapes kept.
func match(r *http.Request, method, pattern string) ([]string, bool) {
	if r.Method != method {
		return nil, false
	}
	got, want := strings.Split(r.URL.EscapedPath(), "/"), strings.Split(pattern, "/")
	if len(got) != len(want) {
		return nil, false
	}
	var stars []string
	for i := range want {
		if want[i] == "*" {
			stars = append(stars, got[i])
		} else if want[i] != got[i] {
			return nil, false
		}
	}
	return stars, true
}

func (f *fakeForge) put(s fakeStatus) { f.statuses, f.writes = append(f.statuses, s), f.writes+1 }

func (f *fakeForge) add(author int, body string) *fakeComment {
	c := &fakeComment{id: 100 + len(f.comments), author: author, text: body}
	f.comments = append(f.comments, c)
	return c
}

func (f *fakeForge) find(id string) *fakeComment {
	n, _ := strconv.Atoi(id)
	i := slices.IndexFunc(f.comments, func(c *fakeComment) bool { return c.id == n && !c.deleted })
	if i < 0 {
		return nil
	}
	return f.comments[i]
}

func (f *fakeForge) alive() (out []*fakeComment) {
	for _, c := range f.comments {
		if !c.deleted {
			out = append(out, c)
		}
	}
	return out
}

// window is one page of the comments, and whether there are more.
func (f *fakeForge) window(start, size int) ([]*fakeComment, bool) {
	all := f.alive()
	from, to := min(start, len(all)), min(start+size, len(all))
	return all[from:to], to < len(all)
}

func (f *fakeForge) whose(w http.ResponseWriter, v any) {
	f.lookups++
	if f.noUser {
		refuse(w, http.StatusForbidden, "token does not have at least one of required scope(s)")
		return
	}
	reply(w, http.StatusOK, v)
}

func query(r *http.Request, name string, fallback int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return n
	}
	return fallback
}

// edit changes a comment, of whoever: the forges' own rights are not the point.
func (f *fakeForge) edit(w http.ResponseWriter, id, body string) {
	c := f.find(id)
	if c == nil {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	if f.authorsOnly && c.author != me {
		refuse(w, http.StatusForbidden, "only the author may")
		return
	}
	c.text, c.version, f.writes = body, c.version+1, f.writes+1
	reply(w, http.StatusOK, map[string]any{"id": c.id})
}

func githubList(list []*fakeComment) []any {
	out := []any{}
	for _, c := range list {
		out = append(out, map[string]any{"id": c.id, "body": c.text, "user": map[string]any{"id": c.author}, "author": map[string]any{"id": c.author}})
	}
	return out
}

func serveGitHub(f *fakeForge, w http.ResponseWriter, r *http.Request) {
	r.URL.RawPath = ""
	r.URL.Path = strings.TrimPrefix(r.URL.Path, "/api/v3")
	const repo = "/repos/ops/infra"
	if s, ok := match(r, "POST", repo+"/statuses/*"); ok {
		b := read(r)
		if utf8.RuneCountInString(text(b["description"])) > 140 {
			reply(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []any{map[string]any{"resource": "Status", "code": "custom", "field": "description", "message": "description is too long (maximum is 140 characters)"}}})
			return
		}
		f.put(fakeStatus{s[0], text(b["context"]), text(b["state"]), text(b["description"]), text(b["target_url"])})
		reply(w, http.StatusCreated, map[string]any{"creator": map[string]any{"id": me}})
	} else if _, ok := match(r, "GET", "/user"); ok {
		f.whose(w, map[string]any{"id": me})
	} else if _, ok := match(r, "GET", repo+"/issues/3/comments"); ok {
		size := min(query(r, "per_page", 30), 100)
		list, _ := f.window((query(r, "page", 1)-1)*size, size)
		reply(w, http.StatusOK, githubList(list))
	} else if _, ok := match(r, "POST", repo+"/issues/3/comments"); ok {
		b := text(read(r)["body"])
		if utf8.RuneCountInString(b) > 65536 {
			refuse(w, http.StatusUnprocessableEntity, "Body is too long (maximum is 65536 characters)")
			return
		}
		f.writes++
		reply(w, http.StatusCreated, map[string]any{"id": f.add(me, b).id})
	} else if s, ok := match(r, "PATCH", repo+"/issues/comments/*"); ok {
		f.edit(w, s[0], text(read(r)["body"]))
	} else if strings.HasPrefix(r.URL.Path, repo+"/deployments") {
		serveDeployments(f, w, r)
	} else {
		refuse(w, http.StatusNotFound, "Not Found")
	}
}

func serveDeployments(f *fakeForge, w http.ResponseWriter, r *http.Request) {
	if f.deployments == nil {
		refuse(w, http.StatusForbidden, "Resource not accessible by personal access token")
		return
	}
	if s, ok := match(r, "POST", "/repos/ops/infra/deployments/*/statuses"); ok {
		id, _ := strconv.Atoi(s[0])
		b := read(r)
		f.deployments[id-1]["state"] = fmt.Sprint(f.deployments[id-1]["state"], " ", b["state"])
		reply(w, http.StatusCreated, map[string]any{})
		return
	}
	if r.Method == http.MethodPost {
		b := read(r)
		f.deployments = append(f.deployments, map[string]any{"id": len(f.deployments) + 1, "sha": b["ref"], "environment": b["environment"], "task": b["task"], "state": ""})
		reply(w, http.StatusCreated, f.deployments[len(f.deployments)-1])
		return
	}
	found := []any{}
	for _, d := range f.deployments {
		if q := r.URL.Query(); d["sha"] == q.Get("sha") && d["environment"] == q.Get("environment") && d["task"] == q.Get("task") {
			found = append(found, d)
		}
	}
	reply(w, http.StatusOK, found)
}

func serveGitLab(f *fakeForge, w http.ResponseWriter, r *http.Request) {
	const project = "/api/v4/projects/ops%2Fprod%2Finfra"
	if s, ok := match(r, "POST", project+"/statuses/*"); ok {
		b := read(r)
		if utf8.RuneCountInString(text(b["description"])) > 255 || utf8.RuneCountInString(text(b["name"])) > 255 {
			refuse(w, http.StatusBadRequest, "description is too long (maximum is 255 characters)")
			return
		}
		state := text(b["state"])
		if n := len(f.statuses); n > 0 && f.statuses[n-1].state == state && f.statuses[n-1].context == text(b["name"]) && f.statuses[n-1].commit == s[0] {
			refuse(w, http.StatusBadRequest, `Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via "enqueue")`)
			return
		}
		f.put(fakeStatus{s[0], text(b["name"]), state, text(b["description"]), text(b["target_url"])})
		reply(w, http.StatusCreated, map[string]any{"author": map[string]any{"id": me}})
	} else if s, ok := match(r, "GET", project+"/repository/commits/*/statuses"); ok {
		out := []any{}
		for _, st := range f.statuses {
			if st.commit == s[0] && st.context == r.URL.Query().Get("name") {
				out = []any{map[string]any{"name": st.context, "status": st.state}} // the last one of a name
			}
		}
		reply(w, http.StatusOK, out)
	} else if _, ok := match(r, "GET", "/api/v4/user"); ok {
		f.whose(w, map[string]any{"id": me})
	} else if _, ok := match(r, "GET", project+"/merge_requests/3/notes"); ok {
		size, page := min(query(r, "per_page", 20), 100), query(r, "page", 1)
		list, more := f.window((page-1)*size, size)
		next := ""
		if more {
			next = strconv.Itoa(page + 1)
		}
		w.Header().Set("X-Next-Page", next)
		reply(w, http.StatusOK, githubList(list))
	} else if _, ok := match(r, "POST", project+"/merge_requests/3/notes"); ok {
		f.writes++
		reply(w, http.StatusCreated, map[string]any{"id": f.add(me, text(read(r)["body"])).id})
	} else if s, ok := match(r, "PUT", project+"/merge_requests/3/notes/*"); ok {
		f.edit(w, s[0], text(read(r)["body"]))
	} else {
		refuse(w, http.StatusNotFound, "404 Project Not Found")
	}
}

// serveGitea lists all comments at once, whatever page is asked for, and
// answers 500 where the commit of a status is gone.
func serveGitea(f *fakeForge, w http.ResponseWriter, r *http.Request) {
	const repo = "/api/v1/repos/ops/infra"
	if s, ok := match(r, "POST", repo+"/statuses/*"); ok {
		b := read(r)
		if s[0] != commitOne {
			refuse(w, http.StatusInternalServerError, "GetCommit: object does not exist")
			return
		}
		f.put(fakeStatus{s[0], text(b["context"]), text(b["state"]), text(b["description"]), text(b["target_url"])})
		reply(w, http.StatusCreated, map[string]any{"creator": map[string]any{"id": me}})
	} else if s, ok := match(r, "GET", repo+"/git/commits/*"); ok {
		if s[0] != commitOne {
			refuse(w, http.StatusNotFound, "The target couldn't be found.")
			return
		}
		reply(w, http.StatusOK, map[string]any{"sha": s[0]})
	} else if _, ok := match(r, "GET", "/api/v1/user"); ok {
		f.whose(w, map[string]any{"id": me})
	} else if _, ok := match(r, "GET", repo+"/issues/3/comments"); ok {
		w.Header().Set("X-Total-Count", strconv.Itoa(len(f.alive())))
		reply(w, http.StatusOK, githubList(f.alive()))
	} else if _, ok := match(r, "POST", repo+"/issues/3/comments"); ok {
		f.writes++
		reply(w, http.StatusCreated, map[string]any{"id": f.add(me, text(read(r)["body"])).id})
	} else if s, ok := match(r, "PATCH", repo+"/issues/comments/*"); ok {
		f.edit(w, s[0], text(read(r)["body"]))
	} else {
		refuse(w, http.StatusNotFound, "The target couldn't be found.")
	}
}

func bitbucketError(w http.ResponseWriter, code int, message string) {
	reply(w, code, map[string]any{"type": "error", "error": map[string]any{"message": message}})
}

func serveBitbucket(f *fakeForge, w http.ResponseWriter, r *http.Request) {
	const repo = "/2.0/repositories/ops/infra"
	if s, ok := match(r, "POST", repo+"/commit/*/statuses/build"); ok {
		b := read(r)
		if len(text(b["key"])) > 40 || text(b["url"]) == "" || utf8.RuneCountInString(text(b["description"])) > 255 {
			bitbucketError(w, http.StatusBadRequest, "Bad request")
			return
		}
		f.put(fakeStatus{s[0], text(b["key"]), text(b["state"]), text(b["description"]), text(b["url"])})
		reply(w, http.StatusCreated, map[string]any{})
	} else if _, ok := match(r, "GET", "/2.0/user"); ok {
		f.whose(w, map[string]any{"uuid": fmt.Sprint(me)})
	} else if _, ok := match(r, "GET", repo+"/pullrequests/3/comments"); ok {
		size, page := min(query(r, "pagelen", 10), 100), query(r, "page", 1)
		list, more := f.window((page-1)*size, size)
		values := []any{}
		for _, c := range list {
			values = append(values, map[string]any{"id": c.id, "content": map[string]any{"raw": c.text}, "user": map[string]any{"uuid": fmt.Sprint(c.author)}})
		}
		answer := map[string]any{"values": values}
		if more {
			answer["next"] = fmt.Sprintf("%s%s/pullrequests/3/comments?pagelen=%d&page=%d", f.url, repo, size, page+1)
		}
		reply(w, http.StatusOK, answer)
	} else if _, ok := match(r, "POST", repo+"/pullrequests/3/comments"); ok {
		f.writes++
		content, _ := read(r)["content"].(map[string]any)
		reply(w, http.StatusCreated, map[string]any{"id": f.add(me, text(content["raw"])).id})
	} else if s, ok := match(r, "PUT", repo+"/pullrequests/3/comments/*"); ok {
		content, _ := read(r)["content"].(map[string]any)
		f.edit(w, s[0], text(content["raw"]))
	} else {
		bitbucketError(w, http.StatusNotFound, "Repository ops/infra not found")
	}
}

func serveBitbucketServer(f *fakeForge, w http.ResponseWriter, r *http.Request) {
	const repo = "/rest/api/latest/projects/OPS/repos/infra"
	if !f.noUser {
		w.Header().Set("X-AUSERNAME", fmt.Sprint(me))
	}
	if s, ok := match(r, "POST", repo+"/commits/*/builds"); ok {
		b := read(r)
		if utf8.RuneCountInString(text(b["description"])) > 255 || text(b["url"]) == "" {
			reply(w, http.StatusBadRequest, map[string]any{"errors": []any{map[string]any{"context": "description", "message": "size must be between 0 and 255"}}})
			return
		}
		f.put(fakeStatus{s[0], text(b["key"]), text(b["state"]), text(b["description"]), text(b["url"])})
		w.WriteHeader(http.StatusNoContent)
	} else if _, ok := match(r, "GET", repo); ok {
		f.lookups++
		reply(w, http.StatusOK, map[string]any{"slug": "infra"})
	} else if _, ok := match(r, "GET", repo+"/pull-requests/3/activities"); ok {
		start, size := query(r, "start", 0), min(query(r, "limit", 25), 100)
		list, more := f.window(start, size)
		values := []any{map[string]any{"action": "OPENED"}}
		for _, c := range list {
			values = append(values, map[string]any{"action": "COMMENTED", "comment": map[string]any{"id": c.id, "version": c.version, "text": c.text, "author": map[string]any{"name": fmt.Sprint(c.author)}}})
		}
		reply(w, http.StatusOK, map[string]any{"values": values, "isLastPage": !more, "nextPageStart": start + size})
	} else if _, ok := match(r, "POST", repo+"/pull-requests/3/comments"); ok {
		f.writes++
		reply(w, http.StatusCreated, map[string]any{"id": f.add(me, text(read(r)["text"])).id})
	} else if s, ok := match(r, "PUT", repo+"/pull-requests/3/comments/*"); ok {
		b := read(r)
		if c := f.find(s[0]); c != nil && float64(c.version) != b["version"] {
			reply(w, http.StatusConflict, map[string]any{"errors": []any{map[string]any{"message": "the comment was changed"}}})
			return
		}
		f.edit(w, s[0], text(b["text"]))
	} else {
		reply(w, http.StatusNotFound, map[string]any{"errors": []any{map[string]any{"message": "Repository OPS/infra does not exist."}}})
	}
}

func serveAzure(f *fakeForge, w http.ResponseWriter, r *http.Request) {
	const repo = "/acme/My%20Project/_apis/git/repositories/infra"
	if !strings.HasSuffix(r.URL.Path, "connectionData") && r.URL.Query().Get("api-version") != "7.1" {
		refuse(w, http.StatusBadRequest, "No api-version was supplied")
		return
	}
	author := func(id int) map[string]any { return map[string]any{"id": fmt.Sprint(id)} }
	if s, ok := match(r, "POST", repo+"/commits/*/statuses"); ok {
		b := read(r)
		c, _ := b["context"].(map[string]any)
		f.put(fakeStatus{s[0], text(c["genre"]) + "/" + text(c["name"]), text(b["state"]), text(b["description"]), text(b["targetUrl"])})
		reply(w, http.StatusCreated, map[string]any{"createdBy": author(me)})
	} else if s, ok := match(r, "POST", repo+"/pullRequests/*/statuses"); ok {
		b := read(r)
		c, _ := b["context"].(map[string]any)
		f.put(fakeStatus{"pull request " + s[0], text(c["genre"]) + "/" + text(c["name"]), text(b["state"]), text(b["description"]), text(b["targetUrl"])})
		reply(w, http.StatusOK, map[string]any{"createdBy": author(me)})
	} else if _, ok := match(r, "GET", "/acme/_apis/connectionData"); ok {
		f.whose(w, map[string]any{"authenticatedUser": author(me)})
	} else if _, ok := match(r, "GET", repo+"/pullRequests/3/threads"); ok {
		threads := []any{}
		for _, c := range f.comments {
			threads = append(threads, map[string]any{"id": c.id + 1000, "isDeleted": c.deleted, "comments": []any{map[string]any{"id": c.id, "content": c.text, "author": author(c.author)}}})
		}
		reply(w, http.StatusOK, map[string]any{"value": threads})
	} else if _, ok := match(r, "POST", repo+"/pullRequests/3/threads"); ok {
		f.writes++
		list, _ := read(r)["comments"].([]any)
		first, _ := list[0].(map[string]any)
		reply(w, http.StatusOK, map[string]any{"id": f.add(me, text(first["content"])).id + 1000})
	} else if s, ok := match(r, "PATCH", repo+"/pullRequests/3/threads/*/comments/*"); ok {
		f.edit(w, s[1], text(read(r)["content"]))
	} else {
		refuse(w, http.StatusNotFound, "TF401019: The Git repository does not exist")
	}
}
