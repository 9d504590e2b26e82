package queue

import (
	"context"
	"slices"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/project"
	"deployer/project/policy"
	"deployer/state"
)

// byRules is a policy as cmd/deployer gives it to a stack.
type byRules struct{ *policy.Policy }

func (b byRules) Name() string { return b.Base() }

func (b byRules) Judge(p *project.Project, s pipeline.Safeguards) (out []pipeline.Refusal) {
	for _, r := range b.Policy.Judge(p, policy.Safeguards(s)) {
		out = append(out, pipeline.Refusal{Message: r.String(), Hint: r.Remedy})
	}
	return out
}

func rules(t *testing.T, base string, allow ...string) pipeline.Policy {
	t.Helper()
	p, err := policy.New(base, allow, nil, policy.Host{})
	if err != nil {
		t.Fatal(err)
	}
	return byRules{p}
}

func TestPolicyIsAskedBeforeAnythingIsPulledOrChanged(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Policy = rules(t, "baseline")
	b.deployed("one", b.app("shop", "app:1", ""))
	files := b.app("shop", "app:2", "")
	files["shop/compose.override.yaml"] = gittest.Text("services:\n  web: {privileged: true, volumes: [\"/:/host\"]}\n")
	pulled := false
	b.target.hook = func(_ context.Context, c call) error { pulled = pulled || c.op == "images"; return nil }
	run := b.ends(b.push("two", files), state.RunFailed)
	b.target.hook = nil
	steps := run.Stage(state.StagePreflight).Steps
	var judged []string
	for _, s := range steps {
		if s.Name == "policy" && s.Status == state.StepFailed {
			judged = append(judged, s.Message)
			b.says(s.Hint, "allow: [")
		}
	}
	if len(judged) != 3 || pulled || run.Phase != state.PhasePreparing {
		t.Errorf("refused for %q; images were asked for: %v; phase %q", judged, pulled, run.Phase)
	}
	b.says(b.story(run), "privileged: service web: privileged: true", "host_path: service web", "docker_socket: service web")
	if got := b.target.runs("shop", "web"); got != "app:1" {
		t.Errorf("%s runs, want app:1", got)
	}
	plan, err := b.queue.Plan(t.Context(), "shop", "")
	b.must(err)
	foreseen := slices.DeleteFunc(plan.Checks, func(s state.Step) bool { return s.Name != "policy" || s.Status != state.StepFailed })
	if len(foreseen) != 3 {
		t.Fatalf("the plan foresees %v", foreseen)
	}
	b.says(foreseen[0].Message+foreseen[1].Message+foreseen[2].Message, "privileged: service web")
	b.says(foreseen[0].Hint+foreseen[1].Hint+foreseen[2].Hint, "allow: [privileged]")

	b.with(func(s *pipeline.Stack) { s.Policy = rules(t, "baseline", "privileged", "host_path:/", "docker_socket") })
	if _, err := b.queue.Plan(t.Context(), "shop", ""); err != nil {
		t.Error(err)
	}
	allowed, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{})
	b.must(err)
	b.ends(allowed, state.RunSucceeded)
}

// A policy that became stricter does not take away the way back.
func TestAStricterPolicyLeavesTheWayBack(t *testing.T) {
	b := newBench(t).serve()
	first := b.app("shop", "app:1", "")
	first["shop/compose.override.yaml"] = gittest.Text("services:\n  web: {privileged: true}\n")
	b.deployed("one", first)
	second := b.app("shop", "app:2", "")
	second["shop/compose.override.yaml"] = gittest.Text("services:\n  web: {privileged: false}\n")
	b.deployed("two", second)
	b.with(func(s *pipeline.Stack) { s.Policy = rules(t, "baseline") })
	run, err := b.queue.Rollback(t.Context(), "shop", by("ops", "worse"), state.RunTarget{})
	b.must(err)
	b.ends(run, state.RunSucceeded)
	if got := b.target.runs("shop", "web"); got != "app:1" {
		t.Errorf("%s runs, want app:1", got)
	}
}

// What the rules about pipeline.yaml and the env file see is what the run has.
func TestPolicySeesTheSafeguards(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Policy = rules(t, "strict", "latest_tag")
	run := b.ends(b.push("one", b.app("shop", "app:1", "rollback: {automatic: false}\n")), state.RunFailed)
	b.says(b.story(run), "unverified", "no_rollback")
	if slices.ContainsFunc(run.Stage(state.StagePreflight).Steps, func(s state.Step) bool { return s.Status == state.StepFailed && s.Name != "policy" }) {
		t.Error(b.story(run))
	}
	open := b.app("shop", "app:1", "verify: [{check: containers}]\n")
	open["shop/.env.production"] = gittest.Text("PASSWORD=x\n")
	b.says(b.story(b.ends(b.push("two", open), state.RunFailed)), "unencrypted: env file shop/.env.production")
	b.deployed("three", b.app("shop", "app:1", "verify: [{check: containers}]\n"))
}
