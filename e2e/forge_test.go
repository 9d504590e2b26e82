package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A giteaServer takes commit statuses as Gitea's API does. It can be away, at
// an address that stays the same.
type giteaServer struct {
	t       *testing.T
	address string
	token   string
	server  *http.Server

	mu       sync.Mutex
	denied   bool
	statuses map[string][]giteaStatus // by commit, in the order that they came
	comments []string                 // on pull request 5, as they are now
	edits    int
}

type giteaStatus struct {
	State       string `json:"state"`
	Context     string `json:"context"`
	Description string `json:"description"`
	TargetURL   string `json:"target_url"`
}

func newGitea(t *testing.T, token string) *giteaServer {
	t.Helper()
	g := &giteaServer{t: t, token: token, address: "127.0.0.1:0", statuses: map[string][]giteaStatus{}}
	g.comes()
	t.Cleanup(g.goes)
	return g
}

func (g *giteaServer) comes() {
	g.t.Helper()
	ln, err := net.Listen("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	g.address = ln.Addr().String()
	g.server = &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}
	go func(s *http.Server) { _ = s.Serve(ln) }(g.server)
}

func (g *giteaServer) goes() { _ = g.server.Close() }

func (g *giteaServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	commit, ok := strings.CutPrefix(r.URL.Path, "/api/v1/repos/ops/infra/statuses/")
	var status giteaStatus
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	switch {
	case r.Header.Get("Authorization") == "token "+g.token && g.commented(w, r):
	case !ok || r.Method != http.MethodPost:
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("Authorization") != "token "+g.token:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message":"invalid username, password or token","url":"/api/swagger"}`)
	case g.denied:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"message":"token does not have at least one of required scope(s), required=[write:repository], token scope=read:repository","url":"/api/swagger"}`)
	case json.NewDecoder(r.Body).Decode(&status) != nil || len(commit) != 40:
		w.WriteHeader(http.StatusUnprocessableEntity)
	default:
		g.statuses[commit] = append(g.statuses[commit], status)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":1,"status":"pending","creator":{"id":7,"login":"deployer"}}`)
	}
}

// commented serves the comments of pull request 5.
func (g *giteaServer) commented(w http.ResponseWriter, r *http.Request) bool {
	const repo = "/api/v1/repos/ops/infra/issues/"
	if !strings.HasPrefix(r.URL.Path, repo) {
		return false
	}
	var in struct{ Body string }
	if r.Method != http.MethodGet {
		_ = json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in)
	}
	var at int
	switch {
	case r.URL.Path == repo+"5/comments" && r.Method == http.MethodGet:
		list := []any{}
		for i, text := range g.comments {
			list = append(list, map[string]any{"id": i + 1, "body": text, "user": map[string]any{"id": 7}})
		}
		_ = json.NewEncoder(w).Encode(list)
	case r.URL.Path == repo+"5/comments" && r.Method == http.MethodPost:
		g.comments = append(g.comments, in.Body)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":%d}`, len(g.comments))
	case r.Method == http.MethodPatch:
		if _, err := fmt.Sscanf(r.URL.Path, repo+"comments/%d", &at); err != nil || at < 1 || at > len(g.comments) {
			return false
		}
		g.comments[at-1], g.edits = in.Body, g.edits+1
		fmt.Fprint(w, `{}`)
	default:
		return false
	}
	return true
}

// comment waits until the pull request has one comment that says all this.
func (p *product) comment(g *giteaServer, says ...string) string {
	p.t.Helper()
	var text string
	p.Eventually(time.Minute, "the comment says "+strings.Join(says, ", "), func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.comments) != 1 {
			return false
		}
		text = g.comments[0]
		for _, s := range says {
			if !strings.Contains(text, s) {
				return false
			}
		}
		return true
	})
	return text
}

// shows waits until a commit's last status is as wanted.
func (p *product) shows(g *giteaServer, commit, state, description, run string) (all []giteaStatus) {
	p.t.Helper()
	last := giteaStatus{}
	p.Eventually(time.Minute, "the forge shows "+state+" "+description, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if all = append([]giteaStatus(nil), g.statuses[commit]...); len(all) > 0 {
			last = all[len(all)-1]
		}
		return last.State == state && strings.Contains(last.Description, description)
	})
	if last.Context != "deployer/"+p.Stack || last.TargetURL != p.URL+"/runs/"+run {
		p.t.Errorf("the status is %+v", last)
	}
	return all
}

// What becomes of a push is on its commit at the forge, also where the forge
// was away and deployer restarted meanwhile; what it refuses is in the run.
func TestTheForgeShowsWhatBecameOfAPush(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.Keys["forge"] = "canary-forge-0123456789abcdef"
	p.Write("forge.token", p.Keys["forge"])
	forge := newGitea(t, p.Keys["forge"])
	image := p.Image()
	p.edit("    poll: 0\n", fmt.Sprintf("    poll: 0\n    forge: {provider: gitea, api: \"http://%s\", repository: ops/infra, token_file: %s}\n", forge.address, p.Path("forge.token")))
	p.mustReload()

	gate := newGate(t)
	good, id := p.Begin("good", and(oneService(image, "one"), gittest.Files{"pipeline.yaml": gate.check("2m")}))
	p.shows(forge, good, "pending", "", id)
	gate.open()
	run := p.Wait(id)
	producttest.MustEnd(t, run, state.RunSucceeded)
	p.shows(forge, good, "success", "live and verified", id)

	forge.goes()
	bad, run := p.Push("bad", and(oneService(image, "two"), gittest.Files{
		"pipeline.yaml": gittest.Text("verify: [{check: tcp, address: \"127.0.0.1:1\"}]\n"),
	}))
	producttest.MustEnd(t, run, state.RunRolledBack)
	p.Stop()
	p.Start()
	forge.comes()
	all := p.shows(forge, bad, "failure", "rolled back to "+good[:7]+": tcp", run.ID)
	if len(all) != 1 {
		t.Errorf("what was no longer so was told too: %+v", all)
	}

	forge.mu.Lock()
	forge.denied = true
	forge.mu.Unlock()
	_, run = p.Push("denied", and(oneService(image, "three"), gittest.Files{"pipeline.yaml": gittest.Removed()}))
	producttest.MustEnd(t, run, state.RunSucceeded)
	var said *state.Run
	p.Eventually(time.Minute, "the run says that the forge refused", func() bool {
		said = new(state.Run)
		p.Call("viewer", http.MethodGet, "/api/v1/runs/"+run.ID, nil, said)
		r := said
		for _, step := range r.Stages[len(r.Stages)-1].Steps {
			if step.Name == "report to the forge" {
				return step.Status == state.StepWarned && strings.Contains(step.Message, "write:repository") && strings.Contains(step.Hint, "forge.token")
			}
		}
		return false
	})
	if said.Status != state.RunSucceeded {
		t.Errorf("the run became %s", said.Status)
	}

	// A new token counts from the next request on.
	p.Keys["rotated"] = "canary-rotated-0123456789abcdef"
	p.Write("forge.token", p.Keys["rotated"])
	forge.mu.Lock()
	forge.denied, forge.token = false, p.Keys["rotated"]
	forge.mu.Unlock()
	rotated, run := p.Push("rotated", oneService(image, "four"))
	p.shows(forge, rotated, "success", "live and verified", run.ID)

	// What is rolled back by a person is not live any more.
	if out, code := p.CLI("rollback", p.Stack, "--to", good, "--reason", "complaints"); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	back := p.History()[0]
	p.shows(forge, rotated, "failure", "-of-test to "+good[:7]+": complaints", back.ID)
	p.shows(forge, good, "success", "live again and verified", back.ID)
	if log := p.Log.String(); !strings.Contains(log, "write:repository") || strings.Contains(log, p.Keys["rotated"]) || strings.Contains(log, p.Keys["forge"]) {
		t.Errorf("the log: %s", log)
	}
}
