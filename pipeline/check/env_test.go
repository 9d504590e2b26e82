package check

import (
	"testing"

	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

func TestEnvLooksAtWhatIsTrueOfEveryEnv(t *testing.T) {
	changed := secret("DB_PASSWORD", "Mo")
	changed.Changed = true
	undefined := &project.Project{Undefined: []project.Undefined{{Name: "HOST", File: "compose.yaml"}, {Name: "PORT", File: "more.yaml"}}}
	for _, tt := range []struct {
		name   string
		w      *World
		status state.StepStatus
		parts  []string
	}{
		{"good", &World{Env: environment(public("A", "b"), secret("C", "long enough"))}, state.StepPassed, []string{"2 variables, 1 of them secret"}},
		{"none", &World{}, state.StepPassed, []string{"0 variables"}},
		{"undefined", &World{Env: environment(), Project: undefined}, state.StepFailed,
			[]string{"HOST (compose.yaml), PORT (more.yaml)", "set them in .env.production", "${NAME:-default}"}},
		{"undefined without env", &World{Project: undefined}, state.StepFailed, []string{"set them in an env file"}},
		{"changed by dotenv", &World{Env: environment(changed)}, state.StepWarned, []string{"DB_PASSWORD", "single quotes"}},
		{"unencrypted", &World{Env: secrets.NewEnv(".env", false, []secrets.Var{public("A", "b")})}, state.StepWarned,
			[]string{".env is committed unencrypted", "deployer secrets encrypt .env"}},
		{"too short to mask", &World{Env: environment(secret("PIN", "12345"), secret("NO", ""), public("P", "x"))}, state.StepPassed,
			[]string{"too short to be masked in logs: PIN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, "{check: env}", tt.w)
			want(t, r, tt.status, tt.parts...)
			never(t, r, "12345")
		})
	}
}

func TestEnvDemands(t *testing.T) {
	w := &World{Env: environment(public("TLS", "false"), public("PORT", ""), public("MODE", "dev"), secret("KEY", "letmein-now"))}
	for _, tt := range []struct {
		source string
		status state.StepStatus
		parts  []string
	}{
		{"{check: env, required: [TLS, PORT], not_empty: TLS, empty: [PORT, GONE]}", state.StepPassed, nil},
		{"{check: env, required: [GONE]}", state.StepFailed, []string{"GONE is not defined"}},
		{"{check: env, not_empty: [PORT, GONE]}", state.StepFailed, []string{"PORT is not defined or empty; GONE is"}},
		{"{check: env, empty: [TLS]}", state.StepFailed, []string{"TLS must be empty"}},
		{"{check: env, equals: {TLS: false, KEY: letmein-now}}", state.StepPassed, nil},
		{"{check: env, equals: {TLS: true}}", state.StepFailed, []string{`TLS is "false", want "true"`}},
		{"{check: env, equals: {GONE: 1}}", state.StepFailed, []string{`GONE is not defined, want "1"`}},
		{"{check: env, equals: {KEY: other}}", state.StepFailed, []string{"KEY has another value than wanted (it is secret)"}},
		{"{check: env, equals: {MODE: '${KEY}'}}", state.StepFailed, []string{`MODE is "dev", want "[redacted]"`}},
		{"{check: env, one_of: {MODE: [dev, prod]}}", state.StepPassed, nil},
		{"{check: env, one_of: {MODE: [a, b]}}", state.StepFailed, []string{`MODE is "dev", want one of ["a" "b"]`}},
		{"{check: env, matches: {MODE: '^d.v$', KEY: '.{8,}'}}", state.StepPassed, nil},
		{"{check: env, matches: {MODE: '^p', KEY: '.{20,}'}}", state.StepFailed, []string{`MODE is "dev", want a match of "^p"`, "KEY has another"}},
	} {
		r := run(t, tt.source, w)
		want(t, r, tt.status, tt.parts...)
		never(t, r, "letmein")
	}
}
