package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"deployer/secrets"
	"deployer/state"
)

// push commits a change, delivers it as a forge would, and tells the run as
// it happens.
func (d *demo) push(ctx context.Context, subject, greeting, broken string) (*state.Run, error) {
	env := fmt.Sprintf("WEB_PORT=%s\nGREETING=%s\nBROKEN=%s\nAPI_PASSWORD=%s\n", d.webPort, greeting, broken, "demo-"+d.token[:12])
	sealed, err := secrets.EncryptDotenv([]byte(env), []string{d.key}, "PASSWORD")
	if err != nil {
		return nil, err
	}
	commit, err := d.repo.commit(subject, map[string][]byte{".env.production": sealed})
	if err != nil {
		return nil, err
	}
	d.say("git push %s “%s”", short(commit), subject)
	id, err := d.deliver(ctx, commit)
	if err != nil {
		return nil, err
	}
	d.say("signed webhook → 202, run %s is on disk", id)
	return d.narrate(ctx, id)
}

// deliver posts a signed webhook and returns the id of its run.
func (d *demo) deliver(ctx context.Context, commit string) (string, error) {
	body, err := json.Marshal(map[string]string{"ref": "refs/heads/main", "after": commit})
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(d.hook))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.client.base+"/hooks/config", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Delivery", "demo-"+commit)
	req.Header.Set("X-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Runs []struct {
			ID string `json:"id"`
		} `json:"runs"`
		Ignored string `json:"ignored"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	if len(answer.Runs) != 1 {
		return "", fmt.Errorf("the delivery was answered %s %s", res.Status, answer.Ignored)
	}
	return answer.Runs[0].ID, nil
}

// narrate prints the steps of a run as they end and returns it when it is over.
func (d *demo) narrate(ctx context.Context, id string) (*state.Run, error) {
	told := map[state.StageName]int{}
	for {
		run := new(state.Run)
		if err := d.client.do(ctx, http.MethodGet, "/api/v1/runs/"+url.PathEscape(id), nil, run); err != nil {
			return nil, err
		}
		for _, stage := range run.Stages {
			for _, step := range stage.Steps[min(told[stage.Name], len(stage.Steps)):] {
				d.say("  %s %-9s %-12s %s", mark(step.Status), stage.Name, step.Name, firstLine(step.Message))
				told[stage.Name]++
			}
		}
		if run.Status.Terminal() {
			d.say("  = %s", run.Status)
			return run, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func mark(s state.StepStatus) string {
	switch s {
	case state.StepPassed:
		return "✓"
	case state.StepFailed:
		return "✗"
	case state.StepWarned:
		return "!"
	}
	return "·"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// visit shows what the service answers now.
func (d *demo) visit(ctx context.Context) error {
	address := "http://127.0.0.1:" + d.webPort + "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	d.say("%s answers “%s”", address, strings.TrimSpace(string(body)))
	return nil
}
