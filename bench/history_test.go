package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"crypto/sha256"

	"deployer/pipeline"
	"deployer/server"
	"deployer/state"
)

const token = "bench"

// BenchmarkRunsPage asks the API for the newest 50 runs of one stack, out of a
// million runs and out of a thousand.
func BenchmarkRunsPage(b *testing.B) {
	few, bytesFew := history(b, 1_000)
	many, bytesMany := history(b, million(b))
	var floor, ours []time.Duration
	for b.Loop() {
		floor = append(floor, timed(func() { page(b, few) }))
		ours = append(ours, timed(func() { page(b, many) }))
	}
	report(b, ours, floor)
	b.ReportMetric(float64(bytesMany-bytesFew)/float64(million(b)-1000), "B/run")
}

// million is how many runs the long history has.
func million(b *testing.B) int {
	if testing.Short() {
		b.Log("short: 100,000 runs instead of a million")
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
				if err := tx.PutRun(typicalRun(written)); err != nil {
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
	queue := pipeline.NewQueue(store, pipeline.NewRunner(store, pipeline.Parts{Now: time.Now}), nil, 1, nil)
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

// typicalRun has the stages, steps and evidence of a deploy of two services.
func typicalRun(n int) *state.Run {
	at := time.Now().UTC()
	run := &state.Run{
		ID: state.NewRunID(), Stack: fmt.Sprintf("stack-%d", n%20), Kind: state.KindDeploy,
		Trigger: state.Trigger{Kind: state.TriggerWebhook, Actor: "ada", Delivery: fmt.Sprintf("%032d", n)},
		Commit:  fmt.Sprintf("%040x", n), Subject: "Raise the limit of connections", Author: "Ada",
		Release: fmt.Sprintf("%032x", n), Status: state.RunSucceeded, CreatedAt: at, StartedAt: &at, FinishedAt: &at,
		Changes: &state.Changes{Services: []state.ServiceChange{{Name: "web", Action: state.ActionRecreate, Why: "image"}, {Name: "db", Action: state.ActionKeep}}},
	}
	for _, name := range []state.StageName{state.StageFetch, state.StageDecrypt, state.StagePreflight, state.StageDeploy, state.StageVerify} {
		stage := state.StageResult{Name: name, Status: state.StagePassed, StartedAt: &at, FinishedAt: &at}
		for i := range 3 {
			stage.Steps = append(stage.Steps, state.Step{Name: fmt.Sprintf("step %d", i), Status: state.StepPassed, Message: "GET https://app.example.com/ answered 200 in 12 ms", DurationMS: 12})
		}
		run.Stages = append(run.Stages, stage)
	}
	return run
}

func page(b *testing.B, h http.Handler) {
	req := httptest.NewRequest(http.MethodGet, "/api/v1/runs?stack=stack-7&limit=50", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		b.Fatalf("%d %s", rec.Code, rec.Body)
	}
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
