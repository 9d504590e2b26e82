package check

import (
	"errors"
	"strings"
	"testing"

	"deployer/project"
	"deployer/state"
)

func TestExec(t *testing.T) {
	engine := &fakeEngine{exec: func(service string, argv []string) (project.ExecResult, error) {
		switch {
		case service != "web":
			return project.ExecResult{}, errors.New("no container of " + service + " runs")
		case argv[0] == "fail":
			return project.ExecResult{ExitCode: 2, Output: strings.Repeat("noise\n", 30) + "syntax error\x1b\n"}, nil
		}
		return project.ExecResult{Output: strings.Join(argv, "|")}, nil
	}}
	w := &World{Engine: engine, Project: projectOf(), Env: environment(secret("KEY", "hush-hush"))}
	for _, tt := range []struct {
		fields string
		status state.StepStatus
		parts  []string
	}{
		{"service: web, command: [nginx, -t]", state.StepPassed, []string{"`nginx -t` in web exited with code 0"}},
		{"service: web, command: [a, 'b c; d'], output: 'a|b c; d'", state.StepPassed, nil},
		{"service: web, command: [a, '${KEY}'], output: {matches: '^a.hush'}", state.StepPassed, []string{"`a [redacted]`"}},
		{"service: web, command: [a], output: {contains: b}", state.StepFailed, []string{"but its output does not contain \"b\"\nits last lines:\na"}},
		{"service: web, command: [fail]", state.StepFailed, []string{"exited with code 2, want 0", "noise\nsyntax error"}},
		{"service: web, command: [fail], exit: 2", state.StepPassed, nil},
		{"service: db, command: [a]", state.StepFailed, []string{"cannot run `a` in db: no container of db runs"}},
	} {
		r := run(t, "{check: exec, "+tt.fields+"}", w)
		want(t, r, tt.status, tt.parts...)
		never(t, r, "hush-hush")
		if lines := strings.Count(r.Message, "\n"); lines > logLines+1 {
			t.Errorf("%d lines of evidence", lines)
		}
	}
}
