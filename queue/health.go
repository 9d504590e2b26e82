package queue

import (
	"context"
	"maps"
	"slices"

	"deployer/pipeline"
	"deployer/state"
)

// Names returns the configured stacks in order.
func (q *Queue) Names() []string { return slices.Sorted(maps.Keys(q.stacks())) }

// Environment is the environment that a stack is deployed with by itself.
func (q *Queue) Environment(name string) string {
	if s, ok := q.stacks()[name]; ok {
		return s.Environment
	}
	return ""
}

// Holder is the stack that has a stack's project now, where that is another
// environment of the same folder; empty where the stack itself has it, or
// nobody.
func (q *Queue) Holder(name string) string {
	stack, ok := q.stacks()[name]
	if !ok {
		return ""
	}
	known, err := q.known(name)
	if err != nil {
		return ""
	}
	return q.holderBesides(stack, known)
}

// holderBesides is the other stack that deployed a project last.
func (q *Queue) holderBesides(stack *pipeline.Stack, known *state.Stack) (name string) {
	if known.Live == nil {
		return ""
	}
	last := known.Live.At
	for _, other := range q.stacks() {
		if other.Name == stack.Name || other.Claim != stack.Claim {
			continue
		}
		if theirs, err := q.known(other.Name); err == nil && theirs.Live != nil && theirs.Live.At.After(last) {
			name, last = other.Name, theirs.Live.At
		}
	}
	return name
}

// Health says whether what should run does: healthy, degraded where a
// container is down, unhealthy or restarts again and again, a check of the
// monitor fails, or the last good release could not be run again, drifted where
// somebody else changed what runs, unknown where nothing is deployed, another
// environment has the project, or the Engine does not answer.
func (q *Queue) Health(ctx context.Context, name string) string {
	const unknown = "unknown"
	stack, ok := q.stacks()[name]
	if !ok {
		return unknown
	}
	known, err := q.known(name)
	if err != nil || known.Live == nil || q.holderBesides(stack, known) != "" {
		return unknown
	}
	observed, err := stack.Target.Containers(ctx, stack.Project)
	if err != nil {
		return unknown
	}
	live, err := q.runner.Open(stack, known.Live)
	if err != nil {
		return unknown
	}
	changes, err := stack.Target.Plan(ctx, live.Project, observed)
	if err != nil {
		return unknown
	}
	switch {
	case !pipeline.AllUp(observed), len(known.Alarms) > 0, q.lostWayBack(ctx, stack, known), slices.ContainsFunc(known.Readings, failing):
		return "degraded"
	case !(&state.Changes{Services: changes}).Empty():
		return "drifted"
	}
	return "healthy"
}

// failing is for checks: the ways back are looked at anew.
func failing(r state.Reading) bool { return r.Status == state.StepFailed && !isWayBack(r) }
