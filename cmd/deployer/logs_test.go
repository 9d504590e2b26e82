package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// An event holds many lines of a log, or a part of one; what is printed is the
// log itself, also where a connection is lost in the middle of an event.
func TestLogIsPrintedAsItIs(t *testing.T) {
	var mu sync.Mutex
	var resumed []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/runs/r1/log" {
			fmt.Fprint(w, `{"id":"r1","status":"succeeded"}`)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", "text/event-stream")
		if len(resumed) == 1 {
			fmt.Fprint(w, "id: 8\ndata: one\ndata: two\ndata: \n\n: still here\n\nid: 14\ndata: three\n")
			return
		}
		fmt.Fprint(w, "id: 11\ndata: thr\n\nid: 14\ndata: ee\ndata: \n\nevent: end\ndata: {}\n\n")
	}))
	defer server.Close()
	o := deployer(t, "", "logs", "r1", "--server", server.URL, "--token", "t")
	o.want(t, 0)
	if want := "one\ntwo\nthree\n"; o.out != want {
		t.Errorf("%q is printed, want %q", o.out, want)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(resumed) != 2 || resumed[1] != "8" {
		t.Errorf("resumed at %q, want 8: the event after it was not whole", resumed)
	}
}

// With --json it is the run as the API has it, with its lines.
func TestLogAsJSON(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/runs":
			fmt.Fprint(w, `{"runs":[{"id":"r1"}]}`)
		case "/api/v1/runs/r1":
			fmt.Fprint(w, `{"id":"r1","status":"failed","duration_ms":7}`)
		default:
			fmt.Fprint(w, "id: 8\ndata: one\ndata: two\ndata: \n\nevent: end\ndata: {}\n\n")
		}
	}))
	defer server.Close()
	o := deployer(t, "", "logs", "web", "--json", "--server", server.URL, "--token", "t")
	o.want(t, 0)
	var run struct {
		ID, Status string
		Duration   int `json:"duration_ms"`
		Log        []string
	}
	if err := json.Unmarshal([]byte(o.out), &run); err != nil || run.ID != "r1" || run.Status != "failed" || run.Duration != 7 || !slices.Equal(run.Log, []string{"one", "two"}) {
		t.Errorf("%v: %+v\n%s", err, run, o.out)
	}
}
