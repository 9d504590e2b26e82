package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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
