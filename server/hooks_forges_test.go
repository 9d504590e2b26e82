package server

import (
	"net/http"
	"strings"
	"testing"
)

// What forges do that is no signed push: Bitbucket Data Center does not sign
// its ping, and Azure DevOps signs nothing but logs in.
func TestForgesThatDoNotSign(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.Access.Hooks["dc"], o.Access.Hooks["azure"] = hookOf(t, "bitbucket-server"), hookOf(t, "azure-devops")
	})
	send := func(repository, body string, change func(*http.Request)) answer {
		t.Helper()
		req := f.request(open, http.MethodPost, "/hooks/"+repository, body)
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		change(req)
		return f.do(req)
	}
	ping := func(r *http.Request) { r.Header.Set("X-Event-Key", "diagnostics:ping") }
	if a := send("dc", `{"test":true}`, ping).expect(t, http.StatusOK); !strings.Contains(a.body, `"ignored":"ping: the address is right`) {
		t.Errorf("answered %s", a.body)
	}
	send("dc", `{"changes":[]}`, func(r *http.Request) { r.Header.Set("X-Event-Key", "repo:refs_changed") }).expect(t, http.StatusUnauthorized)

	pushed := `{"id":"u-1","eventType":"git.push","resource":{"refUpdates":[{"name":"refs/heads/main","oldObjectId":"` + commitB + `","newObjectId":"` + commitA + `"}]}}`
	send("azure", pushed, func(r *http.Request) { r.SetBasicAuth("any", hookSecret+"x") }).expect(t, http.StatusUnauthorized)
	send("azure", pushed, func(*http.Request) {}).expect(t, http.StatusUnauthorized)
	send("azure", pushed, func(r *http.Request) { r.SetBasicAuth("any", hookSecret) }).expect(t, http.StatusAccepted)
	send("azure", pushed, func(r *http.Request) { r.SetBasicAuth("any", hookSecret) }).expect(t, http.StatusOK) // already taken
	send("azure", `{"resource":{}}`, func(r *http.Request) { r.SetBasicAuth("any", hookSecret) }).expect(t, http.StatusBadRequest)
}
