package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/secrets"
	"deployer/state"
)

// push commits files and delivers a signed webhook for it.
func (p *product) push(message string, files gittest.Files) (commit string, run *state.Run) {
	p.t.Helper()
	commit, id := p.begin(message, files)
	return commit, p.wait(id)
}

// begin is push without waiting for the run to be over.
func (p *product) begin(message string, files gittest.Files) (commit, run string) {
	p.t.Helper()
	commit = p.repo.Commit("main", message, files)
	return commit, p.announce(commit)
}

// announce delivers a push of main to a commit and returns the run that it queued.
func (p *product) announce(commit string) (run string) {
	p.t.Helper()
	ids := p.deliver(map[string]any{"ref": "refs/heads/main", "after": commit})
	if len(ids) != 1 {
		p.t.Fatalf("the push of %s queued %d runs", commit, len(ids))
	}
	return ids[0]
}

// deliver sends a payload, signed, and returns the runs that it queued.
func (p *product) deliver(payload map[string]any) (runs []string) {
	p.t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		Runs []struct{ ID, Stack, Status string }
	}
	if status, raw := p.post(body, p.sign(body), state.NewRunID()); status == http.StatusAccepted {
		if err := json.Unmarshal(raw, &answer); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, r := range answer.Runs {
		runs = append(runs, r.ID)
	}
	return runs
}

func (p *product) sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(p.keys["hook"]))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (p *product) post(body []byte, signature, delivery string) (status int, answer []byte) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.url+"/hooks/config", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if signature != "" {
		req.Header.Set("X-Signature-256", signature)
	}
	req.Header.Set("X-Delivery", delivery)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(res.Body); err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, out.Bytes()
}

// wait returns a run when it is over.
func (p *product) wait(id string) *state.Run {
	p.t.Helper()
	return p.until(id, "is over", func(r *state.Run) bool { return r.Status.Terminal() })
}

// until returns a run as soon as it is as wanted.
func (p *product) until(id, what string, ok func(*state.Run) bool) *state.Run {
	p.t.Helper()
	run := new(state.Run)
	p.eventually(2*time.Minute, "run "+id+" "+what, func() bool {
		*run = state.Run{}
		p.call("viewer", http.MethodGet, "/api/v1/runs/"+id, nil, run)
		if run.Status.Terminal() && !ok(run) {
			p.t.Fatalf("run %s ended %s before it %s: %s", id, run.Status, what, run.Error)
		}
		return ok(run)
	})
	return run
}

func mustEnd(t *testing.T, run *state.Run, want state.RunStatus) {
	t.Helper()
	if run.Status != want {
		text, _ := json.MarshalIndent(run, "", " ")
		t.Fatalf("run ended %s, want %s\n%s", run.Status, want, text)
	}
}

// stackNow is the stack as the API shows it.
type stackNow struct {
	Live, LastGood *state.Release
	Head           string
	Sync, Health   string
	Operation      string
	Lock           *state.Lock
	Pin            *state.Pin
	Quarantined    []state.Quarantine
}

func (p *product) now() stackNow {
	p.t.Helper()
	var raw struct {
		stackNow
		LastGood *state.Release `json:"last_good"`
	}
	if code := p.call("viewer", http.MethodGet, "/api/v1/stacks/"+p.stack, nil, &raw); code != http.StatusOK {
		p.t.Fatalf("stack: %d", code)
	}
	raw.stackNow.LastGood = raw.LastGood
	return raw.stackNow
}

// sealed is an env file as it is committed: its secrets encrypted.
func (p *product) sealed(text string) gittest.File {
	p.t.Helper()
	raw, err := secrets.EncryptDotenv([]byte(text), []string{p.age}, "")
	if err != nil {
		p.t.Fatal(err)
	}
	return gittest.Text(string(raw))
}

// history is every run, the newest first.
func (p *product) history() []*state.Run {
	p.t.Helper()
	var page struct{ Runs []*state.Run }
	p.call("viewer", http.MethodGet, "/api/v1/runs?limit=100", nil, &page)
	return page.Runs
}

// runLog is the log of a run as far as it has got.
func (p *product) runLog(id string) (text string) {
	p.t.Helper()
	p.call("viewer", http.MethodGet, "/api/v1/runs/"+id+"/log", nil, &text)
	return text
}
