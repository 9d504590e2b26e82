package queue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// A proxy whose container is made anew begins a new log. What the old one
// told is known afterwards, and stops the push that would ask once more.
func TestWhatAProxyWasRefusedOutlivesItsContainer(t *testing.T) {
	b := newBench(t).serve()
	now := time.Now().UTC()
	line := fmt.Sprintf("%s ERR Unable to obtain ACME certificate for domains error=\"error: one or more domains had a problem:\\n[a.example.org] acme: error: 400 :: urn:ietf:params:acme:error:dns :: no\\n\" domains=[\"a.example.org\"] providerName=le.acme\n", now.Format(time.RFC3339))
	b.target.says = func(service string) string {
		if service == "traefik" {
			return strings.Repeat(line, 7)
		}
		return ""
	}
	files := func(image, file string) gittest.Files {
		files := b.app("shop", "web:1", file)
		files["shop/compose.yaml"] = gittest.Text("services:\n  traefik:\n    image: " + image + "\n  web:\n    image: web:1\n    labels:\n      traefik.http.routers.web.rule: Host(`a.example.org`)\n      traefik.http.routers.web.tls.certresolver: le\n")
		return files
	}
	b.deployed("first", files("traefik:1", ""))
	b.target.mu.Lock()
	b.target.says = nil
	b.target.mu.Unlock()
	got := b.push("again", files("traefik:2", "preflight: [{check: acme_budget}]"))
	b.untouched(got, "7 of 5 failed authorizations of a.example.org in an hour", "push again after that")
	var kept []state.Issuance
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		kept, err = tx.Issuances(now.Add(-time.Hour))
		return err
	}))
	if len(kept) != 7 || kept[0].Host != "a.example.org" || kept[0].Kind != state.CertificateFailed {
		t.Errorf("kept %+v", kept)
	}
}
