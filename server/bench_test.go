package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"deployer/state"
)

type nullIntake struct{}

func (nullIntake) Accept(context.Context, string, []state.Event) (state.Receipt, error) {
	return state.Receipt{Runs: []*state.Run{{ID: "r", Stack: "registry", Status: state.RunQueued}}}, nil
}

// BenchmarkDeliveries is the way of a signed delivery of 6.7 kB through the
// server, without the disk, over 16 connections.
func BenchmarkDeliveries(b *testing.B) {
	store, err := state.Open(filepath.Join(b.TempDir(), "deployer.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	s, err := New(Options{
		Store: store, Intake: nullIntake{}, Control: &fakeControl{}, Stacks: fakeStacks{"registry"},
		Access: Access{Hooks: map[string]Hook{"infra": hookOf(b, "github")}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ts := httptest.NewServer(s.Handler())
	defer ts.Close()
	body := []byte(strings.Replace(push(commitA), "{", `{"filler":"`+strings.Repeat("x", 6500)+`",`, 1))
	signature := sign(hookSecret, body)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, MaxConnsPerHost: 16}}

	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	b.SetParallelism(max(1, 16/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequest(http.MethodPost, ts.URL+"/hooks/infra", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-GitHub-Event", "push")
			req.Header.Set("X-GitHub-Delivery", "d")
			req.Header.Set("X-Hub-Signature-256", signature)
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				b.Errorf("answered %d", resp.StatusCode)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
