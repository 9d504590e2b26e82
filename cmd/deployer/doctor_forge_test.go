package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/config"
	"deployer/state"
)

func TestDoctorTriesTheTokensOfForges(t *testing.T) {
	const token = "canary-token-of-the-forge"
	var scopes []string
	expires := ""
	forge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("PRIVATE-TOKEN") != token:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"message": "401 Unauthorized"}`))
		case strings.HasSuffix(r.URL.Path, "/self"):
			_ = json.NewEncoder(w).Encode(map[string]any{"scopes": scopes, "expires_at": expires})
		case scopes == nil:
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = w.Write([]byte(`{"permissions": {"project_access": {"access_level": 30}}}`))
		}
	}))
	defer forge.Close()
	file := filepath.Join(t.TempDir(), "token")
	with := func(token string) *config.Repository {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		text := "data: " + t.TempDir() + "\nrepositories: {infra: {url: \"https://git.test/ops/infra.git\", forge: {provider: gitlab, api: \"" + forge.URL + "\", token_file: " + file + "}}}\n"
		path := filepath.Join(t.TempDir(), "deployer.yaml")
		put(t, path, text)
		c, err := load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c.Repositories["infra"]
	}
	d := &doctor{now: func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) }}
	for _, c := range []struct {
		name       string
		repository *config.Repository
		prepare    func()
		status     state.StepStatus
		says, hint string
	}{
		{"none", &config.Repository{}, func() {}, state.StepSkipped, "no forge: in deployer.yaml", ""},
		{"good", with(token), func() { scopes, expires = []string{"api"}, "2027-06-01" }, state.StepPassed, "until 2027-06-01", ""},
		{"soon", with(token), func() { expires = "2026-12-10" }, state.StepWarned, "expires on 2026-12-10", "make a new token with the scope api"},
		{"lacks", with(token), func() { scopes = []string{"read_api"} }, state.StepFailed, "lacks the scope api", "give the token in forge.token"},
		{"down", with(token), func() { scopes = nil }, state.StepWarned, "answered 502", "later"},
		{"wrong", with(token), func() { with("canary-wrong") }, state.StepFailed, "401", "wrong, expired or revoked"},
		{"gone", with(token), func() { _ = os.Remove(file) }, state.StepFailed, "read the token", "can be read"},
		{"away", with(token), forge.Close, state.StepFailed, "look at the project", "that this server reaches it"},
	} {
		c.prepare()
		f := d.forge(t.Context(), c.repository)
		if f.status != c.status || !strings.Contains(f.message, c.says) || !strings.Contains(f.hint, c.hint) || strings.Contains(f.message+f.hint, "canary") {
			t.Errorf("%s: %+v", c.name, f)
		}
		with(token)
	}
}
