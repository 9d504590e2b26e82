package queue

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/state"
)

// forms of the canary that must be found nowhere.
func canaryForms() map[string][]byte {
	return map[string][]byte{
		"raw":      []byte(canary),
		"base64":   []byte(base64.StdEncoding.EncodeToString([]byte(canary))),
		"URL-safe": []byte(base64.RawURLEncoding.EncodeToString([]byte(canary))),
		"query":    []byte(url.QueryEscape(canary)),
		"path":     []byte(url.PathEscape(canary)),
	}
}

// clean wants nothing of the canary in what is kept.
func (b *bench) clean(what string, kept []byte) {
	b.t.Helper()
	for form, text := range canaryForms() {
		if at := bytes.Index(kept, text); at >= 0 {
			b.t.Errorf("%s shows the secret (%s): …%s…", what, form, kept[max(0, at-60):min(len(kept), at+60)])
		}
	}
}

// leaky is a site that shows the secret in its answer, and a target that
// writes it to the log in many forms and in its errors.
func (b *bench) leaky() (file string) {
	b.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if b.target.runs("shop", "web") == "app:2" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintf(w, "cannot log in with %s", canary)
	}))
	b.t.Cleanup(server.Close)
	b.target.on(func(_ context.Context, c call) error {
		if c.log == nil {
			return nil
		}
		for _, text := range canaryForms() {
			fmt.Fprintf(c.log, "connecting with %s\n", text)
		}
		half := len(canary) / 2
		fmt.Fprintf(c.log, "in two writes: %s", canary[:half])
		fmt.Fprintf(c.log, "%s\n", canary[half:])
		if c.op == "apply" && c.web == "app:3" {
			return pipeline.WithHint(errors.New("postgres://app:"+url.QueryEscape(canary)+"@db refused "+canary), "try "+canary)
		}
		return nil
	})
	return "verify: [{check: http, name: \"login as ${PASSWORD}\", url: \"" + server.URL + "/?token=${PASSWORD}\"}]\n"
}

func TestNoSecretIsKeptOrShown(t *testing.T) {
	b := newBench(t)
	var said bytes.Buffer
	b.seen.all = &said
	b.serve()
	file := b.leaky()
	b.deployed("one", b.app("shop", "app:1", file))
	b.ends(b.push("two", b.app("shop", "app:2", file)), state.RunRolledBack)
	b.ends(b.push("three", b.app("shop", "app:3", file)), state.RunRolledBack)
	if _, err := b.queue.Plan(t.Context(), "shop", ""); err != nil {
		t.Fatal(err)
	}
	b.stop()

	lines := 0
	b.must(b.store.View(func(tx *state.Tx) error {
		runs, _, err := tx.Runs(state.RunQuery{})
		for _, run := range runs {
			b.clean("run "+run.Subject, marshal(t, run))
			log := b.log(run)
			b.clean("the log of "+run.Subject, []byte(log))
			lines += bytes.Count([]byte(log), []byte("in two writes: [redacted]"))
		}
		releases, releasesErr := tx.Releases("")
		history, historyErr := tx.LiveHistory("shop")
		stack, stackErr := tx.Stack("shop")
		b.clean("a release", marshal(t, releases))
		b.clean("the history", marshal(t, history))
		b.clean("the stack", marshal(t, stack))
		return errors.Join(err, releasesErr, historyErr, stackErr)
	}))
	if lines < 3 {
		t.Errorf("the target's lines are in the logs %d times: the test proves nothing", lines)
	}
	b.clean("what observers see", said.Bytes())

	b.must(b.store.Close())
	raw, err := os.ReadFile(b.database())
	b.must(err)
	b.clean("the database file", raw)
	b.store, err = state.Open(b.database())
	b.must(err)
}

func TestSecretOfAnEnvFileOfAServiceIsMaskedToo(t *testing.T) {
	b := newBench(t).serve()
	files := b.app("shop", "app:1", "")
	files["shop/web.env"] = b.encrypted("TOKEN=another-secret-42")
	files["shop/compose.yaml"] = gittest.Text("services: {web: {image: \"app:1\", env_file: [web.env]}}\n")
	b.target.on(func(_ context.Context, c call) error {
		if c.log != nil {
			fmt.Fprintln(c.log, "the token is another-secret-42")
		}
		return nil
	})
	run := b.deployed("one", files)
	if log := b.log(run); bytes.Contains([]byte(log), []byte("another-secret-42")) || !bytes.Contains([]byte(log), []byte("the token is [redacted]")) {
		t.Errorf("the log:\n%s", log)
	}
}

func TestErrorOfAPlanIsMasked(t *testing.T) {
	b := newBench(t).serve()
	files := b.app("shop", "app:1", "")
	files["shop/compose.yaml"] = gittest.Text("services: {web: {image: \"app:1\", ports: [\"${PASSWORD}\"]}}\n")
	b.commit("one", files)
	_, err := b.queue.Plan(t.Context(), "shop", "")
	if err == nil {
		t.Fatal("no error: the test proves nothing")
	}
	b.clean("the plan's error", []byte(err.Error()+pipeline.Hint(err)))
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
