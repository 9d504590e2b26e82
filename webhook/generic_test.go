package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deployer/state"
)

func TestGenericPush(t *testing.T) {
	tests := map[string]struct {
		body string
		want state.Event
	}{
		"ref and after are enough": {
			body: `{"ref":"refs/heads/main","after":"` + commitB + `"}`,
			want: state.Event{Ref: "refs/heads/main", After: commitB},
		},
		"all fields, and one that is not read": {
			body: `{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + strings.ToUpper(commitB) + `","forced":true,"actor":"ci","author":"Ada","subject":"one\ntwo","url":"file:///etc"}`,
			want: state.Event{Ref: "refs/heads/main", Before: commitA, After: commitB, Forced: true, Actor: "ci", Author: "Ada", Subject: "one"},
		},
		"after of zeros": {
			body: `{"ref":"refs/heads/main","after":"` + zeros + `"}`,
			want: state.Event{Ref: "refs/heads/main", Deleted: true},
		},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			tt.want.Provider, tt.want.Delivery, tt.want.Kind, tt.want.ReceivedAt = "generic", "job-7", state.EventPush, receivedAt
			got := parseOne(t, provider(t, "generic"), request(tt.body, "X-Delivery", "job-7"))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGenericPushSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"short name": {`{"ref":"main","after":"` + commitB + `"}`, `"main" is not a full name such as refs/heads/main`},
		"no ref":     {`{"after":"` + commitB + `"}`, "ref is missing"},
		"no after":   {`{"ref":"refs/heads/main"}`, "after is missing"},
		"branch":     {`{"ref":"refs/heads/main","after":"HEAD"}`, "after is not a commit id"},
		"bad before": {`{"ref":"refs/heads/main","after":"` + commitB + `","before":"1"}`, "before is not a commit id"},
		"text":       {`push`, "invalid character"},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			_, err := provider(t, "generic").Parse(request(tt.body))
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, want it to say %q", err, tt.want)
			}
		})
	}
}
