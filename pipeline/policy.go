package pipeline

import (
	"context"
	"fmt"
	"strings"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/state"
)

// A Policy says what a resolved project may do on its target. It is asked
// before anything is pulled or changed.
type Policy interface {
	Name() string // as people know it: baseline
	// Judge returns what the project is refused for; nothing where it may run.
	Judge(p *project.Project, s Safeguards) []Refusal
}

// Safeguards are what a stack does for its own safety.
type Safeguards struct {
	EnvFile   string // path of the env file; empty where there is none
	Encrypted bool   // the env file is encrypted
	Verified  bool   // pipeline.yaml has checks for after the deploy
	RollsBack bool   // a release that fails is rolled back without a person
}

// A Refusal is one thing that a project must not do.
type Refusal struct {
	Message string // the rule, the service, what it is and why it is refused
	Hint    string
}

func (x *Execution) safeguards() Safeguards {
	s := Safeguards{Verified: len(x.File.Verify) > 0, RollsBack: x.File.Rollback.Automatic}
	if x.Env != nil { // on a desk without the key
		s.EnvFile, s.Encrypted = x.Env.Path(), x.Env.Encrypted()
	}
	return s
}

// judgePolicy holds the project to the stack's policy. Each refusal is a step
// of its own, so that a person sees all of them at once. A release that was
// kept is not judged again: it was when it was new, and a policy that became
// stricter must not take away the way back.
func (x *Execution) judgePolicy(context.Context) error {
	policy := x.Stack.Policy
	if policy == nil {
		return nil
	}
	started := x.runner.now()
	refusals := policy.Judge(x.Project, x.safeguards())
	if len(refusals) == 0 {
		x.record("policy", check.Result{Status: state.StepPassed, Message: policy.Name() + " refuses nothing"}, x.since(started))
		return nil
	}
	for _, r := range refusals {
		x.record("policy", check.Result{Status: state.StepFailed, Message: r.Message, Hint: r.Hint}, x.since(started))
	}
	return refused(policy, refusals)
}

// refused is one error for all that a policy refuses.
func refused(policy Policy, refusals []Refusal) error {
	messages, hints := make([]string, len(refusals)), make([]string, len(refusals))
	for i, r := range refusals {
		messages[i], hints[i] = r.Message, r.Hint
	}
	return WithHint(fmt.Errorf("the policy %s refuses it; nothing was pulled or changed: %s", policy.Name(), strings.Join(messages, "; ")),
		strings.Join(hints, "; "))
}
