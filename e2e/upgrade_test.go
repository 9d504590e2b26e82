package e2e

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	bolt "go.etcd.io/bbolt"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// ways are how the old container can end.
var ways = map[string]func(*vessel){"stopped": (*vessel).stop, "killed": (*vessel).kill}

// Wherever a run is when deployer's own container is replaced by one of another
// version, it ends as it would have.
func TestDeployerIsUpgradedWhileItWorks(t *testing.T) {
	t.Parallel()
	for way, end := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			v := newVessel(t)
			image := v.Image()
			v.begin()
			upgrade := func() { end(v); v.begin() }
			good, run := v.Push("first", slowService(image, "first", ""))
			v.mustHaveOneOutcome(good, run.ID, state.RunSucceeded, "other", "web")

			gate := newGate(t)
			files := and(slowService(image, "preflight", ""), gittest.Files{"pipeline.yaml": gittest.Text(fmt.Sprintf(
				"preflight: [{check: http, url: %q, within: 2m}]\n", gate.url))})
			commit, id := v.Begin("in preflight", files)
			v.Until(id, "is in preflight", func(r *state.Run) bool { return in(r, state.StagePreflight) })
			upgrade()
			gate.open()
			v.mustHaveOneOutcome(commit, id, state.RunSucceeded, "web")

			commit, id = v.Begin("in deploy", and(slowService(image, "deploy", ""), gittest.Files{"pipeline.yaml": gittest.Text("{}\n")}))
			v.untilStarted("web")
			upgrade()
			v.mustHaveOneOutcome(commit, id, state.RunSucceeded, "web")
			good = commit

			commit, id = v.Begin("bad", slowService(image, "bad", "EXIT_AFTER: 10ms"))
			v.Until(id, "rolls back", rollingBack)
			upgrade()
			run = v.Wait(id)
			producttest.MustEnd(t, run, state.RunRolledBack)
			v.mustBeWhole("deploy")
			if s := v.Now(); s.Live.Commit != good || len(s.Quarantined) != 1 || s.Quarantined[0].Commit != commit {
				t.Errorf("after the way back the stack is %+v", s)
			}
			v.starts.take()

			gate.answer(http.StatusServiceUnavailable, "closed")
			commit, id = v.Begin("in verify", and(slowService(image, "verify", ""), gittest.Files{"pipeline.yaml": gate.check("2m")}))
			v.Until(id, "verifies", verifying)
			next, queued := v.Begin("queued", and(slowService(image, "queued", ""), gittest.Files{"pipeline.yaml": gittest.Text("{}\n")}))
			before := v.Containers()["web"]
			upgrade()
			if now := v.Containers()["web"]; now != before {
				t.Error("what was up already was replaced")
			}
			gate.open()
			producttest.MustEnd(t, v.Wait(id), state.RunSucceeded)
			v.mustHaveOneOutcome(next, queued, state.RunSucceeded, "web", "web") // one for each of the two
			v.mustBeWhole("queued")

			// What the old version has kept, the new one goes back to.
			if out, code := v.CLI("rollback", v.Stack, "--to", commit); code != 0 {
				t.Errorf("rollback: exit %d\n%s", code, out)
			}
			v.mustBeWhole("verify")
		})
	}
}

func TestDeployerIsUpgradedWhileAPersonIsAsked(t *testing.T) {
	t.Parallel()
	for way, end := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			v := newVessel(t)
			image := v.Image()
			v.Configure("generic", "    approval: true\n")
			v.begin()
			commit, id := v.Begin("asks", slowService(image, "one", ""))
			v.Until(id, "waits for approval", func(r *state.Run) bool { return r.Status == state.RunWaiting && r.WaitingFor == "approval" })
			end(v)
			v.begin()
			if run := v.Until(id, "waits still", func(r *state.Run) bool { return r.Status == state.RunWaiting }); run.WaitingFor != "approval" {
				t.Errorf("it waits for %s", run.WaitingFor)
			}
			if out, code := v.CLI("approve", id); code != 0 {
				t.Fatalf("approve: exit %d\n%s", code, out)
			}
			v.mustHaveOneOutcome(commit, id, state.RunSucceeded, "other", "web")
		})
	}
}

// What is pushed while there is no deployer is found by the poll at the start,
// or comes again from the forge, and is deployed once.
func TestPushWhileDeployerIsUpgraded(t *testing.T) {
	t.Parallel()
	for way, end := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			v := newVessel(t)
			image := v.Image()
			v.begin()
			first, run := v.Push("first", slowService(image, "one", ""))
			v.mustHaveOneOutcome(first, run.ID, state.RunSucceeded, "other", "web")

			send := func(commit string) (status int, runs []string, err error) {
				body, _ := json.Marshal(map[string]any{"ref": "refs/heads/main", "after": commit})
				status, answer, err := v.TryPost(body, v.Sign(body), "delivery-of-"+commit)
				var taken struct{ Runs []struct{ ID string } }
				_ = json.Unmarshal(answer, &taken)
				for _, r := range taken.Runs {
					runs = append(runs, r.ID)
				}
				return status, runs, err
			}
			end(v)
			commit := v.Repo.Commit("main", "in the gap", slowService(image, "two", ""))
			if status, _, err := send(commit); err == nil {
				t.Fatalf("a server that is gone answers %d", status)
			}
			v.begin() // without a poll: the forge sends it again
			status, runs, err := send(commit)
			if err != nil || status != http.StatusAccepted || len(runs) != 1 {
				t.Fatalf("sent again, it gets %d, %v: %v", status, runs, err)
			}
			v.mustHaveOneOutcome(commit, runs[0], state.RunSucceeded, "web")

			end(v)
			v.Poll = "1h"
			v.Configure("generic", "")
			commit = v.Repo.Commit("main", "in the next gap", slowService(image, "three", ""))
			v.begin()
			v.Until(v.runOf(commit), "is over", func(r *state.Run) bool { return r.Status.Terminal() })
			if status, runs, err := send(commit); err != nil || status != http.StatusOK || len(runs) != 0 {
				t.Errorf("sent again after the poll, it gets %d, %v: %v", status, runs, err)
			}
			v.mustHaveOneOutcome(commit, v.runOf(commit), state.RunSucceeded, "web")
		})
	}
}

// runOf waits for the run of a commit.
func (v *vessel) runOf(commit string) (id string) {
	v.t.Helper()
	v.Eventually(time.Minute, "the commit has a run", func() bool {
		for _, r := range v.History() {
			if r.Commit == commit {
				id = r.ID
			}
		}
		return id != ""
	})
	return id
}

// The new one does not touch the data while the old one has it.
func TestOldAndNewDeployerOverlap(t *testing.T) {
	t.Parallel()
	v := newVessel(t)
	image, gate := v.Image(), newGate(t)
	v.begin()
	commit, id := v.Begin("first", and(slowService(image, "one", ""), gittest.Files{"pipeline.yaml": gate.check("2m")}))
	v.Until(id, "verifies", verifying)

	early := v.inContainer(v.images[1], &container.Config{Env: []string{"RUNTIME_DIRECTORY=" + v.Memory}}, v.Dir+":"+v.Dir, v.Memory+":"+v.Memory)
	code, text := v.ended(early)
	if code != 1 || !strings.Contains(text, "in use by another deployer") || !strings.Contains(text, "stop that one first") {
		t.Errorf("beside the old one it ends with %d\n%s", code, text)
	}
	gate.open()
	v.mustHaveOneOutcome(commit, id, state.RunSucceeded, "other", "web")
	if run := v.Wait(id); run.Interruptions != 0 {
		t.Errorf("the run was interrupted %d times", run.Interruptions)
	}
}

// The words of docs/container.md, followed: there, back, and back from a
// database that the older version does not know.
func TestDocumentedUpgradeOfTheContainer(t *testing.T) {
	t.Parallel()
	v := newVessel(t)
	image, database := v.Image(), v.Path("data/deployer.db")
	v.begin()
	commit, run := v.Push("one", slowService(image, "one", ""))
	v.mustHaveOneOutcome(commit, run.ID, state.RunSucceeded, "other", "web")
	v.stop()
	copyFile(t, database, database+".before")
	v.begin()
	commit, run = v.Push("two", slowService(image, "two", ""))
	v.mustHaveOneOutcome(commit, run.ID, state.RunSucceeded, "web")

	v.stop() // back, with the database as it is
	v.begin()
	commit, run = v.Push("three", slowService(image, "three", ""))
	v.mustHaveOneOutcome(commit, run.ID, state.RunSucceeded, "web")
	before := v.Containers()
	v.stop()

	setSchema(t, database, 99)
	code, text := v.ended(v.inContainer(v.images[0], &container.Config{Env: []string{"RUNTIME_DIRECTORY=" + v.Memory}}, v.Dir+":"+v.Dir, v.Memory+":"+v.Memory))
	if code != 1 || !strings.Contains(text, "schema version 99") || !strings.Contains(text, "restore the backup made before the upgrade") {
		t.Errorf("on a newer database it ends with %d\n%s", code, text)
	}
	copyFile(t, database+".before", database)
	v.begin()
	v.Eventually(time.Minute, "what has happened since shows", func() bool { return v.Now().Health == "drifted" })
	if out, code := v.CLI("deploy", v.Stack); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	if now := v.Now(); now.Live.Commit != commit || now.LastGood.Commit != commit {
		t.Errorf("live is %+v", now.Live)
	}
	v.mustBeWhole("three")
	if after := v.Containers(); after["web"] != before["web"] || after["other"] != before["other"] {
		t.Error("what ran already was replaced")
	}
}

// copyFile writes a file over another, whose owner stays.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// setSchema makes a database one of another version.
func setSchema(t *testing.T, path string, version uint64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, version))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
