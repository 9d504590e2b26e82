package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A kind is what a push of a trial is like.
type kind string

const (
	goodPush    kind = "good"
	crashing    kind = "crashing"    // the new container dies
	failing     kind = "failing"     // verify fails
	unconcerned kind = "unconcerned" // nothing of the stack changes
)

// A course is one product that goes through trials: each pushes a commit,
// kills the server, starts it again and looks whether all is well.
type course struct {
	*product
	rand     *rand.Rand
	image    string
	pushes   int
	version  map[string]string        // of each commit
	files    map[string]gittest.Files // of each commit
	lastLive string                   // commit
	left     map[string]bool          // files that mirrors were writing when the server died
	pids     map[int]bool             // of all server processes
	tally    map[string]int           // outcomes, and what was being done when the server died
}

// newCourse makes a product whose Engine is behind a proxy, with a verified
// first release.
func newCourse(t *testing.T, seed uint64) *course {
	t.Helper()
	c := &course{product: newProduct(t), rand: rand.New(rand.NewPCG(seed, uint64(len(t.Name())))), version: map[string]string{}, files: map[string]gittest.Files{}, tally: map[string]int{}, pids: map[int]bool{}, left: map[string]bool{}}
	c.image = c.Image()
	c.Stop()
	c.standBeforeTheEngine()
	c.Program = producttest.Binary(t, "crashpoints")
	c.trial(goodPush, never{})
	t.Cleanup(func() {
		for _, what := range slices.Sorted(keys(c.tally)) {
			t.Logf("%4d × %s", c.tally[what], what)
		}
	})
	return c
}

func keys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// commit makes the next commit of a kind.
func (c *course) commit(k kind) (commit string) {
	c.pushes++
	version, extra, pipeline := fmt.Sprint(c.pushes), "", "verify: []\n"
	switch k {
	case crashing:
		extra = ", EXIT_AFTER: 10ms, HEALTH_AFTER: 1m"
	case failing:
		pipeline = "verify: [{check: exec, service: web, command: [/testapp, \"false\"]}]\n"
	case unconcerned: // the files that are live, and one that is not the stack's
		files := and(c.files[c.lastLive], gittest.Files{"elsewhere/notes": gittest.Text(version)})
		commit = c.Repo.Commit("main", "unconcerned", files)
		c.files[commit], c.version[commit] = files, c.version[c.lastLive]
		return commit
	}
	files := gittest.Files{
		"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %[1]s
    environment: {VERSION: %[2]q, SECRET: "${SECRET}"%[3]s}
    volumes: [./web.conf:/web.conf:ro, data:/data]
    secrets: [token]
    healthcheck: {test: [CMD, /testapp, health], interval: 500ms, retries: 10}
  other:
    image: %[1]s
    healthcheck: {test: [CMD, /testapp, health], interval: 500ms, retries: 10}
secrets:
  token: {environment: SECRET}
volumes: {data: {}}
`, c.image, version, extra)),
		"pipeline.yaml":   gittest.Text(pipeline),
		"web.conf":        gittest.Text("version " + version),
		".env.production": c.Sealed("SECRET=canary-of-the-env-" + version),
	}
	commit = c.Repo.Commit("main", string(k)+" "+version, files)
	c.files[commit], c.version[commit] = files, version
	return commit
}

// trial pushes a commit of a kind with a killer at work, and judges how all
// stands once every run is over.
func (c *course) trial(k kind, killers ...killer) {
	c.t.Helper()
	before := c.lastLive
	commit := c.commit(k)
	killed := c.push(commit, killers)
	what := fmt.Sprintf("%s push, killed at %v", k, killed)
	run := c.settled(commit, what)
	c.tally[fmt.Sprintf("a %s push ended %s after %d kills", k, run.Status, len(killed))]++
	c.judge(k, run, before, what)
	c.Stop()
	c.mustBeSound(what)
}

// push delivers the commit until it was acknowledged, though the server is
// killed by each killer in turn, and returns where it died.
func (c *course) push(commit string, killers []killer) (killed []string) {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"ref": "refs/heads/main", "after": commit})
	if err != nil {
		c.t.Fatal(err)
	}
	delivery, acknowledged := state.NewRunID(), false
	for _, k := range append(slices.Clone(killers), never{}) {
		c.Env = k.environment(c.product)
		alive := c.TryStart()
		c.pids[c.PID()] = true
		if alive {
			k.arm(c.product)
			if !acknowledged {
				status, _, err := c.TryPost(body, c.Sign(body), delivery)
				acknowledged = err == nil && (status == http.StatusAccepted || status == http.StatusOK)
			}
			alive = c.deadOrIdle(acknowledged)
		}
		doing := k.disarm(c.product)
		if _, last := k.(never); last {
			break
		}
		if alive { // its moment never came, and must not come later
			c.Stop()
			continue
		}
		c.Kill() // reap it
		killed = append(killed, fmt.Sprintf("%v (%s)", k, doing))
		c.tally["killed at "+doing]++
	}
	if !acknowledged {
		c.t.Fatal("the push was never acknowledged")
	}
	return killed
}

// deadOrIdle waits until the server is dead, or all runs are over.
func (c *course) deadOrIdle(acknowledged bool) (alive bool) {
	c.t.Helper()
	c.Eventually(time.Minute, "the server is dead or idle", func() bool {
		if c.Dead() {
			return true
		}
		alive = acknowledged && c.idle()
		return alive
	})
	return alive && !c.Dead()
}

// idle reports whether every run is over.
func (c *course) idle() bool {
	var page struct{ Runs []*state.Run }
	status, err := c.TryCall("viewer", http.MethodGet, "/api/v1/runs?limit=20", nil, &page)
	return err == nil && status == http.StatusOK && !slices.ContainsFunc(page.Runs, func(r *state.Run) bool { return !r.Status.Terminal() })
}

// settled returns the one run of a commit, when it is over.
func (c *course) settled(commit, what string) *state.Run {
	c.t.Helper()
	c.Eventually(time.Minute, what+": every run is over", c.idle)
	var page struct{ Runs []*state.Run }
	c.Call("viewer", http.MethodGet, "/api/v1/runs?commit="+commit, nil, &page)
	if len(page.Runs) != 1 {
		c.t.Fatalf("%s: %d runs for one push", what, len(page.Runs))
	}
	return page.Runs[0]
}

// judge holds the outcome to what the push was.
func (c *course) judge(k kind, run *state.Run, before, what string) {
	c.t.Helper()
	want := map[kind]state.RunStatus{goodPush: state.RunSucceeded, crashing: state.RunRolledBack, failing: state.RunRolledBack, unconcerned: state.RunUnchanged}[k]
	live := before
	switch {
	case k == goodPush && run.Interruptions > 1 && run.Status == state.RunRolledBack:
		want = state.RunRolledBack // the deployer died of it twice
	case k == goodPush:
		live = run.Commit
	}
	if run.Status != want {
		text, _ := json.MarshalIndent(run, "", " ")
		c.t.Fatalf("%s: the run ended %s, want %s\n%s\n%s", what, run.Status, want, text, c.RunLog(run.ID))
	}
	s := c.Now()
	if s.Live == nil || s.LastGood == nil || s.Live.Commit != live || s.LastGood.Commit != live || s.Lock != nil || s.Operation != "idle" || s.Health != "healthy" {
		c.t.Fatalf("%s: the stack is %+v, live %+v, last good %+v, want %s", what, s, s.Live, s.LastGood, live)
	}
	blamed := slices.ContainsFunc(s.Quarantined, func(q state.Quarantine) bool { return q.Run == run.ID })
	guilty := k == crashing || k == failing
	if blamed && !guilty || !blamed && guilty && run.Interruptions < 2 { // after two it cannot be told
		c.t.Errorf("%s: quarantined: %t", what, blamed)
	}
	c.mustRunOnly(live, what)
	c.lastLive = live
}
