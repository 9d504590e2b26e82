package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// Deliveries come in while the server is killed again and again: each that it
// has acknowledged has an outcome in the end, and the newest commit runs.
func TestKilledWhileDeliveriesComeIn(t *testing.T) {
	t.Parallel()
	c := newCourse(t, seedOf(t))
	c.keepAllRuns()
	c.Start()
	var commits []string
	for n := range 40 {
		files := and(c.files[c.lastLive], gittest.Files{"notes": gittest.Text(fmt.Sprint(n))})
		commits = append(commits, c.Repo.Commit("main", fmt.Sprint(n), files))
	}
	last := c.commit(goodPush)

	var acknowledged sync.Map // run id → true
	var sent, answered atomic.Int64
	done := make(chan struct{})
	var senders sync.WaitGroup
	for s := range 4 {
		senders.Go(func() {
			for n := s; ; n += 4 {
				select {
				case <-done:
					return
				default:
				}
				sent.Add(1)
				if c.deliverTo(commits[n%len(commits)], &acknowledged) {
					answered.Add(1)
				}
			}
		})
	}
	kills := trials(3, 30)
	for range kills {
		time.Sleep(time.Duration(200+c.rand.IntN(800)) * time.Millisecond) // the moment is what is tried, not waited for
		c.Kill()
		c.Start()
	}
	close(done)
	senders.Wait()
	c.deliverTo(last, &acknowledged)
	c.Eventually(2*time.Minute, "every run is over", c.idle)

	runs := 0
	acknowledged.Range(func(id, _ any) bool {
		runs++
		run := c.Wait(id.(string))
		crashed := run.Status == state.RunRolledBack && run.Interruptions > 1 // it was being deployed at two of the kills
		if !crashed && run.Status != state.RunSuperseded && run.Status != state.RunUnchanged && run.Status != state.RunSucceeded {
			t.Errorf("run %s ended %s: %s", id, run.Status, run.Error)
		}
		return true
	})
	t.Logf("%d kills; %d of %d deliveries were acknowledged, of %d runs", kills, answered.Load(), sent.Load(), runs)
	if s := c.Now(); s.Live.Commit != last {
		t.Errorf("live is %s, want %s", s.Live.Commit, last)
	}
	c.mustRunOnly(last, "after the flood")
	c.Stop()
	c.mustBeSound("after the flood")
}

// keepAllRuns has no superseded run forgotten, so that each can be asked for.
func (c *course) keepAllRuns() {
	text, err := os.ReadFile(c.Path("deployer.yaml"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.Write("deployer.yaml", string(text)+"retention: {runs: 1000000}\n")
}

// deliverTo sends a push to a server that may be dead, and notes the runs that
// it has acknowledged.
func (c *course) deliverTo(commit string, acknowledged *sync.Map) (answered bool) {
	body, err := json.Marshal(map[string]any{"ref": "refs/heads/main", "after": commit})
	if err != nil {
		c.t.Error(err)
		return false
	}
	status, raw, err := c.TryPost(body, c.Sign(body), state.NewRunID())
	if err != nil {
		return false
	}
	var answer struct{ Runs []struct{ ID string } }
	if status == http.StatusAccepted && json.Unmarshal(raw, &answer) == nil {
		for _, r := range answer.Runs {
			acknowledged.Store(r.ID, true)
		}
	} else if status != http.StatusOK {
		c.t.Errorf("the delivery of %s was answered %d %s", commit, status, raw)
	}
	return true
}
