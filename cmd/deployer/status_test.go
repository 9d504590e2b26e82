package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answering serves one JSON text at each path.
func answering(t *testing.T, answers map[string]string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			t.Errorf("nobody expected %s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestStatusSaysWhatAPersonShouldKnowFirst(t *testing.T) {
	const failed = `"last_run":{"id":"r1","kind":"deploy","status":"failed","created_at":"2026-01-31T08:00:00Z","error":"preflight: env: A is not defined","hint":"set A"}`
	for stack, want := range map[string]string{
		`{"name":"a","operation":"idle","lock":{"reason":"sale"},` + failed + `}`:                     "locked: sale",
		`{"name":"b","operation":"running","waiting":{"for":"slot","run":"r2"},` + failed + `}`:       "a run is under way",
		`{"name":"c","operation":"waiting","waiting":{"for":"approval","run":"r2"},` + failed + `}`:   "waiting for approval",
		`{"name":"d","operation":"idle","warning":"its folder is gone",` + failed + `}`:               "its folder is gone",
		`{"name":"e","operation":"idle",` + failed + `}`:                                              "deploy failed: preflight: env: A is not defined",
		`{"name":"f","operation":"idle","last_run":{"id":"r1","kind":"deploy","status":"succeeded"}}`: "",
		`{"name":"g","operation":"idle","pin":{"by":"ops"},"last_run":null}`:                          "pinned by ops",
	} {
		var s stackView
		if err := json.Unmarshal([]byte(stack), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.remark(); got != want {
			t.Errorf("%s: %q, want %q", s.Name, got, want)
		}
	}
	url := answering(t, map[string]string{"GET /api/v1/stacks/e": `{"name":"e","operation":"idle",` + failed + `}`})
	deployer(t, "", "status", "e", "--server", url, "--token", "t").want(t, 0, "deploy failed", "run r1", "A is not defined", "what to do: set A")
}

func TestStatusSaysWhatTheReadingsWarnOf(t *testing.T) {
	url := answering(t, map[string]string{"GET /api/v1/stacks/e": `{"name":"e","health":"degraded","readings":[
		{"check":"tls","status":"passed","message":"valid"},
		{"check":"way back","status":"failed","message":"release 0123456 could not be run again","hint":"load its images","since":"2026-01-31T08:00:00Z"}]}`})
	o := deployer(t, "", "status", "e", "--server", url, "--token", "t")
	o.want(t, 0, "failed", "way back: release 0123456 could not be run again (", "what to do: load its images")
	o.never(t, "valid")
}

func TestUnpinSaysThatTheStackIsBehind(t *testing.T) {
	url := answering(t, map[string]string{
		"DELETE /api/v1/stacks/a/pin": `{"name":"a","sync":"behind","operation":"idle","head":"0123456789"}`,
		"DELETE /api/v1/stacks/b/pin": `{"name":"b","sync":"in_sync","operation":"idle","head":"0123456789"}`,
	})
	deployer(t, "", "unpin", "a", "--server", url, "--token", "t").want(t, 0, "a follows its branch again", "0123456 is newer than what runs", "deployer deploy a")
	if o := deployer(t, "", "unpin", "b", "--server", url, "--token", "t"); o.out != "b follows its branch again\n" {
		t.Errorf("in sync: %q", o.out)
	}
	o := deployer(t, "", "unpin", "a", "--json", "--server", url, "--token", "t")
	var s stackView
	if err := json.Unmarshal([]byte(o.out), &s); err != nil || s.Sync != "behind" {
		t.Errorf("as JSON: %v, %s", err, o.out)
	}
}

func TestCommandsForScriptsPrintJSON(t *testing.T) {
	for _, args := range [][]string{{"version", "--json"}, {"token", "ci", "--json"}} {
		var got map[string]string
		o := deployer(t, "", args...)
		if err := json.Unmarshal([]byte(o.out), &got); err != nil || o.code != 0 {
			t.Errorf("%q: %v\n%s%s", args, err, o.out, o.err)
		}
	}
}

func TestHelpNamesItsValuesRight(t *testing.T) {
	if o := deployer(t, "", "rollback", "--help"); strings.Contains(o.out, "--pin deployer") {
		t.Errorf("--pin takes no value:\n%s", o.out)
	}
	deployer(t, "", "runs", "--help").want(t, 0, "--since time", "--before run")
}

func TestTableHasOneLineForEachStack(t *testing.T) {
	url := answering(t, map[string]string{"GET /api/v1/stacks": `{"stacks":[
		{"name":"a","last_run":{"kind":"deploy","status":"failed","error":"first\nsecond"}},
		{"name":"b","last_run":{"kind":"deploy","status":"failed","error":"` + strings.Repeat("é", 300) + `"}}]}`})
	o := deployer(t, "", "status", "--server", url, "--token", "t")
	o.want(t, 0, "deploy failed: first …", "é…")
	if lines := strings.Count(o.out, "\n"); lines != 3 || strings.Contains(o.out, "second") {
		t.Errorf("%d lines, want 3:\n%s", lines, o.out)
	}
}
