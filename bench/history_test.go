package bench

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"deployer/pipeline"
	"deployer/queue"
	"deployer/server"
	"deployer/state"
)

const token = "bench"

// BenchmarkRunsPage asks the API for pages of 50 runs, out of a million runs
// and, as the floor, out of a thousand. The rare ones match one run each, in
// the middle of the history.
func BenchmarkRunsPage(b *testing.B) {
	few, bytesFew := history(b, 1_000)
	many, bytesMany := history(b, million())
	for _, row := range []struct {
		name  string
		query func(runs int) url.Values
	}{
		{"newest", func(int) url.Values { return url.Values{"stack": {"stack-7"}} }},
		{"second", func(int) url.Values { return url.Values{"stack": {"stack-7"}, "before": {"second"}} }},
		{"all", func(int) url.Values { return url.Values{} }},
		{"rare-status", func(int) url.Values { return url.Values{"status": {"failed"}} }},
		{"rare-actor", func(int) url.Values { return url.Values{"actor": {"grace"}} }},
		{"rare-commit", func(runs int) url.Values { return url.Values{"commit": {commitOf(runs / 2)[:10]}} }},
		{"rare-both", func(int) url.Values {
			return url.Values{"status": {"failed"}, "actor": {"grace"}, "stack": {"stack-0"}}
		}},
		{"until", func(runs int) url.Values { return url.Values{"until": {createdAt(runs / 2).Format(time.RFC3339)}} }},
	} {
		b.Run(row.name, func(b *testing.B) {
			var floor, ours []time.Duration
			queryFew, queryMany := row.query(1_000), row.query(million())
			if queryFew.Has("before") {
				turn(b, few, queryFew)
				turn(b, many, queryMany)
			}
			for b.Loop() {
				floor = append(floor, timed(func() { page(b, few, queryFew) }))
				ours = append(ours, timed(func() { page(b, many, queryMany) }))
			}
			report(b, ours, floor)
			b.ReportMetric(float64(bytesMany-bytesFew)/float64(million()-1000), "B/run")
		})
	}
}

// turn makes a query one for the second page of itself.
func turn(b *testing.B, h http.Handler, q url.Values) {
	b.Helper()
	q.Del("before")
	var first struct{ Next string }
	if err := json.Unmarshal(page(b, h, q), &first); err != nil {
		b.Fatal(err)
	}
	q.Set("before", first.Next)
}

// million is how many runs the long history has; a tenth of that with -short.
func million() int {
	if testing.Short() {
		return 100_000
	}
	return 1_000_000
}

// history fills a database with runs of 20 stacks as they are kept.
func history(b *testing.B, runs int) (http.Handler, int64) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "deployer.db")
	store, err := state.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	for written := 0; written < runs; {
		err := store.Update(func(tx *state.Tx) error {
			for range min(1000, runs-written) {
				run := typicalRun(written)
				if written == runs/2 {
					run.Status, run.Trigger.Actor = state.RunFailed, "grace"
				}
				if err := tx.PutRun(run); err != nil {
					return err
				}
				written++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	queue := queue.New(store, pipeline.NewRunner(store, pipeline.Parts{Now: time.Now}), nil, 1, nil)
	s, err := server.New(server.Options{
		Store: store, Intake: queue, Control: queue, Stacks: queue,
		Access: server.Access{Tokens: []server.Token{{Name: "bench", Role: server.RoleViewer, SHA256: sha256.Sum256([]byte(token))}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return s.Handler(), info.Size()
}

// commitOf is the commit of the n-th run.
func commitOf(n int) string { return fmt.Sprintf("%x", sha1.Sum(strconv.AppendInt(nil, int64(n), 10))) }

// createdAt is the time of the n-th run.
func createdAt(n int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 123456789, time.UTC).Add(time.Duration(n) * time.Minute)
}

// typicalRun has the stages, steps and evidence of a deploy of two services.
func typicalRun(n int) *state.Run {
	at := createdAt(n)
	run := &state.Run{
		ID: state.NewRunID(), Stack: fmt.Sprintf("stack-%d", n%20), Kind: state.KindDeploy,
		Trigger: state.Trigger{Kind: state.TriggerWebhook, Actor: "ada", Delivery: uuid.NewString()},
		Commit:  commitOf(n), Subject: "Raise the limit of connections", Author: "Ada",
		Release: commitOf(-n)[:32], Status: state.RunSucceeded, CreatedAt: at, StartedAt: &at, FinishedAt: &at,
		Changes: &state.Changes{Services: []state.ServiceChange{{Name: "web", Action: state.ActionRecreate, Why: "image"}, {Name: "db", Action: state.ActionKeep}}},
	}
	for _, name := range []state.StageName{state.StageFetch, state.StageDecrypt, state.StagePreflight, state.StageDeploy, state.StageVerify} {
		began, ended := at.Add(time.Duration(n%997)*time.Millisecond), at.Add(time.Duration(n%7919)*time.Millisecond)
		stage := state.StageResult{Name: name, Status: state.StagePassed, StartedAt: &began, FinishedAt: &ended}
		for i := range 3 {
			stage.Steps = append(stage.Steps, state.Step{Name: fmt.Sprintf("step %d", i), Status: state.StepPassed, DurationMS: int64((n + i) % 89),
				Message: fmt.Sprintf("GET https://app-%d.example.com/ answered 200 in %d ms", n%20, (n+i)%89)})
		}
		run.Stages = append(run.Stages, stage)
	}
	return run
}

func page(b *testing.B, h http.Handler, q url.Values) []byte {
	q.Set("limit", "50")
	req := httptest.NewRequest(http.MethodGet, "/api/v1/runs?"+q.Encode(), nil)
	req.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		b.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return rec.Body.Bytes()
}

func timed(work func()) time.Duration {
	started := time.Now()
	work()
	return time.Since(started)
}

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// report gives the medians of what is measured and of its floor, and the
// median of the ratios of the pairs.
func report(b *testing.B, ours, floor []time.Duration) {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = float64(ours[i]) / float64(floor[i])
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "×floor")
	b.ReportMetric(float64(median(ours).Microseconds())/1000, "ms/ours")
	b.ReportMetric(float64(median(floor).Microseconds())/1000, "ms/floor")
	b.ReportMetric(0, "ns/op")
}
