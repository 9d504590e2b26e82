package producttest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"deployer/state"
)

// Call sends a request to the API as one of the roles and decodes the answer.
func (p *Product) Call(role, method, path string, body, out any) int {
	p.T.Helper()
	status, err := p.TryCall(role, method, path, body, out)
	if err != nil {
		p.T.Fatal(err)
	}
	return status
}

// TryCall is Call of a server that may be gone.
func (p *Product) TryCall(role, method, path string, body, out any) (status int, err error) {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, p.URL+path, in)
	if err != nil {
		return 0, err
	}
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+p.Keys[role])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if text, ok := out.(*string); ok {
		*text = string(raw)
	} else if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			return 0, fmt.Errorf("%s %s answered %s: %s", method, path, res.Status, raw)
		}
	}
	return res.StatusCode, nil
}

// Wait returns a run when it is over.
func (p *Product) Wait(id string) *state.Run {
	p.T.Helper()
	return p.Until(id, "is over", func(r *state.Run) bool { return r.Status.Terminal() })
}

// Until returns a run as soon as it is as wanted.
func (p *Product) Until(id, what string, ok func(*state.Run) bool) *state.Run {
	p.T.Helper()
	run := new(state.Run)
	p.Eventually(2*time.Minute, "run "+id+" "+what, func() bool {
		*run = state.Run{}
		p.Call("viewer", http.MethodGet, "/api/v1/runs/"+id, nil, run)
		if run.Status.Terminal() && !ok(run) {
			p.T.Fatalf("run %s ended %s before it %s: %s", id, run.Status, what, run.Error)
		}
		return ok(run)
	})
	return run
}

// MustEnd fails the test where a run did not end as wanted.
func MustEnd(t testing.TB, run *state.Run, want state.RunStatus) {
	t.Helper()
	if run.Status != want {
		text, _ := json.MarshalIndent(run, "", " ")
		t.Fatalf("run ended %s, want %s\n%s", run.Status, want, text)
	}
}

// Stack is the stack as the API shows it.
type Stack struct {
	Live, LastGood *state.Release
	Head           string
	Sync, Health   string
	Operation      string
	Lock           *state.Lock
	Pin            *state.Pin
	Quarantined    []state.Quarantine
}

// Now asks for the stack.
func (p *Product) Now() Stack {
	p.T.Helper()
	var raw struct {
		Stack
		LastGood *state.Release `json:"last_good"`
	}
	if code := p.Call("viewer", http.MethodGet, "/api/v1/stacks/"+p.Stack, nil, &raw); code != http.StatusOK {
		p.T.Fatalf("stack: %d", code)
	}
	raw.Stack.LastGood = raw.LastGood
	return raw.Stack
}

// History is every run, the newest first.
func (p *Product) History() []*state.Run {
	p.T.Helper()
	var page struct{ Runs []*state.Run }
	p.Call("viewer", http.MethodGet, "/api/v1/runs?limit=100", nil, &page)
	return page.Runs
}

// RunLog is the log of a run as far as it has got.
func (p *Product) RunLog(id string) (text string) {
	p.T.Helper()
	p.Call("viewer", http.MethodGet, "/api/v1/runs/"+id+"/log", nil, &text)
	return text
}

// Follow returns when a run is over, as the server's event stream says.
func (p *Product) Follow(id string) {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/v1/runs/"+id+"/log", nil)
	if err != nil {
		p.T.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Keys["viewer"])
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.T.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if lines.Text() == "event: end" {
			return
		}
	}
	p.T.Fatalf("the stream of run %s broke off before its end\n%s", id, p.Log)
}
