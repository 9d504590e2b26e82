package check

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"deployer/state"
)

const strong = "vT9-hazel.quorum$71"

func hashOf(t *testing.T, password string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(hash), "$2a$", "$2y$", 1) // as htpasswd writes it
}

func TestCredentialsAreStrongAndTheHashMatches(t *testing.T) {
	good, cheap, other := hashOf(t, strong, 10), hashOf(t, strong, 5), hashOf(t, "another-one", 10)
	for name, tt := range map[string]struct {
		user, password, stored string
		fields                 string
		status                 state.StepStatus
		parts                  []string
	}{
		"good":                      {"operator", strong, "operator:" + good, "", state.StepPassed, []string{"strength 4 of 4", "hash matches"}},
		"no hash":                   {"operator", strong, "", "", state.StepPassed, []string{"strength 4 of 4"}},
		"several lines":             {"operator", strong, "ci:" + other + "\noperator:" + good + "\n", "", state.StepPassed, []string{"1 other users"}},
		"between commas":            {"operator", strong, "ci:" + other + ",operator:" + good, "", state.StepPassed, nil},
		"with the signs of Compose": {"operator", strong, "operator:" + strings.ReplaceAll(good, "$", "$$"), "", state.StepWarned, []string{"doubled", "hash matches"}},
		"wrong hash":                {"operator", strong, "operator:" + other, "", state.StepFailed, []string{"entry 1", "does not match"}},
		"wrong hash, doubled":       {"operator", strong, "operator:" + strings.ReplaceAll(other, "$", "$$"), "", state.StepFailed, []string{"does not match"}},
		"another user":              {"operator", strong, "admin:" + good, "", state.StepFailed, []string{"no entry for"}},
		"cheap hash":                {"operator", strong, "operator:" + cheap, "", state.StepFailed, []string{"cost 5, want 10", "-C 10"}},
		"cheap is enough":           {"operator", strong, "operator:" + cheap, ", min_cost: 5", state.StepPassed, nil},
		"too costly":                {"operator", strong, "operator:" + strings.Replace(good, "$10$", "$31$", 1), "", state.StepFailed, []string{"cost 31"}},
		"md5":                       {"operator", strong, "operator:$apr1$x$yyyyyyyyyyyyyyyyyyyyy.", "", state.StepFailed, []string{"no bcrypt hash"}},
		"cut off by a variable":     {"operator", strong, "operator:", "", state.StepFailed, []string{"no bcrypt hash"}},
		"no user in it":             {"operator", strong, good, "", state.StepFailed, []string{"not user:hash"}},
		"the user name":             {"operator", "Operator", "", "", state.StepFailed, []string{"is the user name"}},
		"a known one":               {"admin", "password123", "", "", state.StepFailed, []string{"a known one"}},
		"a default":                 {"admin", "admin", "", "", state.StepFailed, []string{"is the user name"}},
		"weak":                      {"operator", "blue1984", "", "", state.StepFailed, []string{"is weak", "want 3"}},
		"the host and a number":     {"operator", "mywidgets-2024", "", ", host: mywidgets.org", state.StepFailed, []string{"is weak"}},
		"weak is enough":            {"operator", "blue1984", "", ", min_score: 1", state.StepPassed, nil},
		"the list's own example":    {"admin", "VotreMo7DeP@sseF0rt!", "", "", state.StepFailed, []string{"published example"}},
		"a placeholder":             {"admin", "CHANGE_ME_IN_PRODUCTION", "", "", state.StepFailed, []string{"a placeholder"}},
		"empty":                     {"admin", "", "", "", state.StepFailed, []string{"is empty"}},
		"no user":                   {"", strong, "", "", state.StepFailed, []string{"user name is empty"}},
		"very long":                 {"operator", strings.Repeat(strong, 200), "", "", state.StepPassed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := &World{Env: environment(public("U", tt.user), secret("P", tt.password), secret("H", tt.stored))}
			r := run(t, `{check: credentials, username: "${U}", password: "${P}", htpasswd: "${H}"`+tt.fields+"}", w)
			want(t, r, tt.status, tt.parts...)
			if len(tt.password) > 8 {
				never(t, r, tt.password)
			}
			never(t, r, "$2y$")
		})
	}
	if err := parse(t, "{check: credentials, username: a, password: b}").Validate(); err != nil {
		t.Error(err)
	}
	for _, fields := range []string{"min_score: 5", "min_cost: 2"} {
		r := run(t, `{check: credentials, username: "${U}", password: b, `+fields+"}", &World{Env: environment(public("U", "a"))})
		want(t, r, state.StepFailed, "is not from")
	}
}
