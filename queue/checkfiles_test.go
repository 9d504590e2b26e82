package queue

import (
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// A check reads a file of the commit. The release that is gone back to is
// verified with its own, and another content is another release.
func TestFilesOfChecksBelongToTheRelease(t *testing.T) {
	b := newBench(t).serve()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if b.target.runs("shop", "web") == "app:2" {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(server.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	files := func(image, ca string) gittest.Files {
		out := b.app("shop", image, fmt.Sprintf("verify: [{check: http, url: %q, sni: example.com, ca: tls/ca.pem}]\n", server.URL))
		maps.Copy(out, gittest.Files{"shop/tls/ca.pem": gittest.Text(ca)})
		return out
	}
	good := b.deployed("one", files("app:1", ca))
	run := b.back(b.push("two", files("app:2", "another\n"+ca)), good)
	var asked bool
	for _, step := range run.Stage(state.StageRollback).Steps {
		if step.Name == "http "+server.URL {
			asked = step.Status == state.StepPassed
		}
	}
	if !asked {
		t.Errorf("the way back was not verified: %s", b.story(run))
	}
	if next := b.deployed("three", files("app:1", ca+"\n")); next.Release == good.Release {
		t.Error("another content of the file is the same release")
	}
}
