package producttest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// Push commits files and delivers a signed webhook for it.
func (p *Product) Push(message string, files gittest.Files) (commit string, run *state.Run) {
	p.T.Helper()
	commit, id := p.Begin(message, files)
	return commit, p.Wait(id)
}

// Begin is push without waiting for the run to be over.
func (p *Product) Begin(message string, files gittest.Files) (commit, run string) {
	p.T.Helper()
	commit = p.Repo.Commit("main", message, files)
	return commit, p.Announce(commit)
}

// Announce delivers a push of main to a commit and returns the run that it queued.
func (p *Product) Announce(commit string) (run string) {
	p.T.Helper()
	ids := p.Deliver(map[string]any{"ref": "refs/heads/main", "after": commit})
	if len(ids) != 1 {
		p.T.Fatalf("the push of %s queued %d runs", commit, len(ids))
	}
	return ids[0]
}

// Deliver sends a payload, signed, and returns the runs that it queued.
func (p *Product) Deliver(payload map[string]any) (runs []string) {
	p.T.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		p.T.Fatal(err)
	}
	var answer struct {
		Runs []struct{ ID, Stack, Status string }
	}
	if status, raw := p.Post(body, p.Sign(body), state.NewRunID()); status == http.StatusAccepted {
		if err := json.Unmarshal(raw, &answer); err != nil {
			p.T.Fatal(err)
		}
	}
	for _, r := range answer.Runs {
		runs = append(runs, r.ID)
	}
	return runs
}

// Sign is the signature of a body.
func (p *Product) Sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(p.Keys["hook"]))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Post delivers a body as it is given.
func (p *Product) Post(body []byte, signature, delivery string) (status int, answer []byte) {
	p.T.Helper()
	status, answer, err := p.TryPost(body, signature, delivery)
	if err != nil {
		p.T.Fatal(err)
	}
	return status, answer
}

// TryPost is Post to a server that may be gone.
func (p *Product) TryPost(body []byte, signature, delivery string) (status int, answer []byte, err error) {
	req, err := http.NewRequest(http.MethodPost, p.URL+"/hooks/config", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if signature != "" {
		req.Header.Set("X-Signature-256", signature)
	}
	req.Header.Set("X-Delivery", delivery)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}
