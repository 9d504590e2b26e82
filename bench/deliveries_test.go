package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/queue"
	"deployer/server"
	"deployer/state"
	"deployer/webhook"
)

const (
	deliveriesPerRound = 20_000
	rounds             = 5
)

// BenchmarkDeliveries sends signed pushes over 16 connections to the server on
// a database on disk, each with its own id and its own commit, for a stack
// that is busy: each push takes the place of the one that waits. The floor is
// the same number of records of 500 bytes stored by 16 writers in bbolt.
func BenchmarkDeliveries(b *testing.B) {
	body, commit := realPush(b)
	var floor, ours []time.Duration
	var worst time.Duration
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "deployer.db")
		address, stop := serveDeliveries(b, path)
		out := startSender(b)
		for range rounds {
			floor = append(floor, storeRecords(b, deliveriesPerRound))
			seen := out.send(b, shipment{Address: address, Body: body, Commit: commit, Count: deliveriesPerRound})
			ours = append(ours, seen.Took)
			worst = max(worst, seen.P99)
		}
		reportMemory(b)
		stop()
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB/database")
	}
	report(b, ours, floor)
	b.ReportMetric(deliveriesPerRound/median(ours).Seconds(), "deliveries/s")
	b.ReportMetric(deliveriesPerRound/median(floor).Seconds(), "floor/s")
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms/p99")
}

// realPush is a push as GitHub sends it, and the commit in it.
func realPush(b *testing.B) (body []byte, commit string) {
	b.Helper()
	const file = "../../shared/webhooks/github/push_new_branch.json"
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		b.Skipf("%s is not there: it is a push as GitHub sent it", file)
	}
	if err != nil {
		b.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		b.Fatal(err)
	}
	var push struct{ After string }
	if err := json.Unmarshal(text, &push); err != nil {
		b.Fatal(err)
	}
	return compact.Bytes(), push.After
}

// serveDeliveries is the server with all that a delivery meets, down to the
// disk. No worker is free, so what is queued waits.
func serveDeliveries(b *testing.B, path string) (address string, stop func()) {
	b.Helper()
	store, err := state.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	runner := pipeline.NewRunner(store, pipeline.Parts{
		Now: time.Now, Log: log, Retention: func() state.Retention { return state.Retention{Runs: 500, Age: time.Hour} },
	})
	stack := &pipeline.Stack{Name: "registry", Repository: "infra", Branch: "master", Directory: ".", Project: "registry", Claim: "registry", Target: idleTarget{},
		Mirror: gitsync.Open(filepath.Join(b.TempDir(), "infra.git"), gitsync.Remote{})}
	metrics := &observer{}
	queue := queue.New(store, runner, []*pipeline.Stack{stack}, 0, log, metrics)
	provider, _ := webhook.Lookup("github")
	metrics.Server, err = server.New(server.Options{
		Store: store, Intake: queue, Control: queue, Stacks: queue, Log: log,
		Access: server.Access{Hooks: map[string]server.Hook{"infra": {
			Provider: provider, Secrets: func() ([][]byte, error) { return [][]byte{[]byte(hookSecret)}, nil },
		}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- queue.Serve(ctx, time.Second) }()
	ts := httptest.NewServer(metrics.Handler())
	return strings.TrimPrefix(ts.URL, "http://"), func() {
		ts.Close()
		cancel()
		if err := <-served; err != nil {
			b.Error(err)
		}
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	}
}

// An observer is the server, which is made after the queue.
type observer struct{ *server.Server }

// An idleTarget is an Engine on which nothing ever runs.
type idleTarget struct{ pipeline.Target }

func (idleTarget) Mounted(context.Context) ([]string, error) { return nil, nil }

// storeRecords is the floor: what has to be kept of a delivery, and no more.
func storeRecords(b *testing.B, n int) time.Duration {
	b.Helper()
	db, err := bolt.Open(filepath.Join(b.TempDir(), "floor.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.MaxBatchSize, db.MaxBatchDelay = 16, 200*time.Microsecond
	bucket := []byte("records")
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }); err != nil {
		b.Fatal(err)
	}
	record := bytes.Repeat([]byte{'x'}, 500)
	return timed(func() {
		var group sync.WaitGroup
		for writer := range connections {
			group.Go(func() {
				for i := writer; i < n; i += connections {
					err := db.Batch(func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put(fmt.Appendf(nil, "%08d", i), record) })
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
	})
}

// reportMemory says what this process, which is the server, has resident.
func reportMemory(b *testing.B) {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Log("memory is not reported: ", err)
		return
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		var kB float64
		if _, err := fmt.Sscanf(strings.TrimSpace(value), "%f kB", &kB); err == nil && (name == "VmRSS" || name == "RssAnon") {
			b.ReportMetric(kB/1024, "MiB/"+name)
		}
	}
}
