package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// A developer pushes again and again while something is rotated, and
// remembers what came of each delivery.
type developer struct {
	p     *product
	image string

	mu      sync.Mutex // one push after the other
	secret  string     // that deliveries are signed with
	commits []string
	runs    []string
	refused []string
}

// push commits a new version of the stack, and files besides, and delivers it.
func (d *developer) push(files gittest.Files) (commit string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	version := len(d.commits) + 1
	commit = d.p.Repo.Commit("main", fmt.Sprintf("version %d", version), and(d.stack(version), files))
	d.commits = append(d.commits, commit)
	body := fmt.Sprintf(`{"ref": "refs/heads/main", "after": %q}`, commit)
	status, answer, err := d.p.TryPost([]byte(body), sign(d.secret, body), state.NewRunID())
	var queued struct{ Runs []struct{ ID string } }
	switch {
	case err != nil:
		d.refused = append(d.refused, err.Error())
	case status == http.StatusAccepted && json.Unmarshal(answer, &queued) == nil:
		for _, run := range queued.Runs {
			d.runs = append(d.runs, run.ID)
		}
	case status != http.StatusOK || !strings.Contains(string(answer), "already judged"): // by the fetch of the push before
		d.refused = append(d.refused, fmt.Sprintf("%d %s", status, answer))
	}
	return commit
}

func (d *developer) stack(version int) gittest.Files {
	return gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    environment: {VERSION: "%d", PASSWORD: "${PASSWORD}"}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
`, d.image, version))}
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// work pushes about ten times a second until rest is called.
func (d *developer) work() (rest func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				d.push(nil)
			}
		}
	}()
	return sync.OnceFunc(func() { close(stop); <-stopped })
}

// signWith makes the developer's forge sign with another secret.
func (d *developer) signWith(secret string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secret = secret
}

// mustReach waits until a commit, or one that was pushed after it, is live.
func (d *developer) mustReach(commit string) {
	d.p.t.Helper()
	d.p.Eventually(2*time.Minute, "a commit is live that contains "+commit, func() bool {
		live := d.p.Now().Live.Commit
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.Index(d.commits, live) >= slices.Index(d.commits, commit)
	})
}
