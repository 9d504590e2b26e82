package check

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/state"
)

// listed serves whoever is at one of the addresses, by what trusts says of
// what the client claims, and refuses all others.
func listed(t *testing.T, trusts bool, addresses ...string) string {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		if claim := r.Header.Get("X-Forwarded-For"); trusts && claim != "" {
			client = claim
		}
		if !slices.Contains(addresses, client) {
			w.WriteHeader(http.StatusForbidden)
		}
	})
}

func TestAccess(t *testing.T) {
	strict := listed(t, false, "127.0.0.7", "203.0.113.7")
	open := serve(t, func(http.ResponseWriter, *http.Request) {})
	gullible := listed(t, true, "127.0.0.7", "203.0.113.7")
	for _, tt := range []struct {
		name, base, fields string
		status             state.StepStatus
		parts              []string
	}{
		{"both sides", strict, "allow_from: 127.0.0.7, deny_from: [127.0.0.8, 127.0.0.9]", state.StepPassed,
			[]string{"127.0.0.8 is refused, 127.0.0.9 is refused, 127.0.0.7 gets through (200)"}},
		{"no list", open, "allow_from: 127.0.0.7, deny_from: 127.0.0.8", state.StepFailed, []string{"127.0.0.8 is not on the list, and gets 200", "ipAllowList"}},
		{"a forged header", gullible, "allow_from: 127.0.0.7, deny_from: 127.0.0.8", state.StepFailed,
			[]string{"127.0.0.8 gets 200 with a forged X-Forwarded-For: 127.0.0.7", "trustedIPs"}},
		{"a forged address of the labels", gullible, "deny_from: 127.0.0.8", state.StepFailed, []string{"forged X-Forwarded-For: 203.0.113.7"}},
		{"the list lacks one", strict, "allow_from: 127.0.0.8", state.StepFailed, []string{"127.0.0.8 is on the list, and gets 403", "gateway"}},
		{"one side", strict, "deny_from: 127.0.0.8", state.StepWarned, []string{"not proven from outside: that a client on the list gets through"}},
		{"not an address of this server", strict, "allow_from: 127.0.0.7, deny_from: 192.0.2.1", state.StepWarned,
			[]string{"not proven from outside: this server has no address 192.0.2.1", "127.0.0.7 gets through"}},
		{"from here, refused", strict, "forge: 127.0.0.7", state.StepWarned, []string{"refuses this server", "that a client on the list gets through"}},
		{"from here, refused, forged", gullible, "forge: 127.0.0.7", state.StepFailed, []string{"this server gets 200 with a forged"}},
		{"from here, let through", open, "", state.StepWarned, []string{"lets this server through (200)", "that a client outside of the list is refused"}},
		{"another refusal", strict, "deny_from: 127.0.0.8, denied: 404, allow_from: 127.0.0.7", state.StepFailed, []string{"127.0.0.8 is not on the list, and gets 403"}},
		{"nothing there", "http://" + closed(t), "deny_from: 127.0.0.8", state.StepFailed, []string{"from 127.0.0.8: connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			web := types.ServiceConfig{Name: "web"}
			web.Labels = types.Labels{"traefik.http.middlewares.office.ipAllowList.sourceRange": "203.0.113.7/32, nonsense"}
			w := &World{Project: projectOf(web)}
			want(t, run(t, strings.TrimSuffix("{check: access, url: "+tt.base+", "+tt.fields, ", ")+"}", w), tt.status, tt.parts...)
		})
	}
}
