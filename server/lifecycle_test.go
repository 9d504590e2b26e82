package server

import (
	"net/http"
	"strings"
	"testing"
)

func TestStacksAreAdoptedRestartedAndRemoved(t *testing.T) {
	f := newFixture(t)
	for _, call := range []struct {
		role         Role
		verb, body   string
		status       int
		asked, never string
	}{
		{RoleAdmin, "adopt", `{"reason": "because"}`, http.StatusAccepted, "adopt registry {Kind:api", ""},
		{RoleDeployer, "adopt", "", http.StatusForbidden, "", "adopt"},
		{RoleDeployer, "restart", `{"service": "web", "reason": "because"}`, http.StatusAccepted, `restart registry "web" {Kind:api`, ""},
		{RoleDeployer, "restart", "", http.StatusAccepted, `restart registry "" `, ""},
		{RoleDeployer, "restart", `{"service": "../x"}`, http.StatusBadRequest, "", "restart"},
		{RoleViewer, "restart", "", http.StatusForbidden, "", "restart"},
		{RoleAdmin, "remove", "", http.StatusAccepted, "remove registry {Kind:api", ""},
		{RoleDeployer, "remove", "", http.StatusForbidden, "", "remove"},
	} {
		f.control.asked = ""
		f.call(call.role, http.MethodPost, "/api/v1/stacks/registry/"+call.verb, call.body).expect(t, call.status)
		if !strings.HasPrefix(f.control.asked, call.asked) || call.never != "" && f.control.asked != "" {
			t.Errorf("%s %s: asked for %q", call.verb, call.body, f.control.asked)
		}
	}
	f.call(RoleAdmin, http.MethodPost, "/api/v1/stacks/none/adopt", "").expect(t, http.StatusNotFound)
}
