package server

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"deployer/state"
)

func TestErrorsOfControlBecomeTheirAnswers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		status int
		detail string
	}{
		{"refusal", &state.Refusal{Reason: "the stack is locked", Hint: "unlock it"}, http.StatusConflict, "the stack is locked"},
		{"refusal that was wrapped", fmt.Errorf("deploy: %w", &state.Refusal{Reason: "the stack is locked"}), http.StatusConflict, "the stack is locked"},
		{"not found", fmt.Errorf("release abc: %w", state.ErrNotFound), http.StatusNotFound, "release abc: not found"},
		{"anything else", errors.New("dial tcp 10.0.0.7: refused"), http.StatusInternalServerError, "something failed inside deployer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			f.control.err = tc.err
			p := f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/deploy", "").expect(t, tc.status).problem(t)
			if p.Detail != tc.detail || p.Instance != "/api/v1/stacks/registry/deploy" {
				t.Errorf("the problem is %+v", p)
			}
		})
	}
}

func TestFaultsAreLoggedOnceAndNotShown(t *testing.T) {
	var log bytes.Buffer
	f := newFixture(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	f.control.err = errors.New("dial tcp 10.0.0.7: refused")
	p := f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/deploy", "").expect(t, http.StatusInternalServerError).problem(t)
	if n := strings.Count(log.String(), "10.0.0.7"); n != 1 {
		t.Errorf("the cause is logged %d times", n)
	}
	_, incident, ok := strings.Cut(p.Hint, "incident ")
	if !ok || !strings.Contains(log.String(), incident) {
		t.Errorf("the hint %q leads to nothing in the log %s", p.Hint, &log)
	}
}

type panickingControl struct{ Control }

func TestHandlerThatPanicsAnswersAFault(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Control = panickingControl{} })
	f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/deploy", "").expect(t, http.StatusInternalServerError)
	f.call(RoleViewer, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusOK)
}
