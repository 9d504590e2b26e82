package queue

import (
	"context"
	"fmt"

	"deployer/pipeline"
	"deployer/state"
)

// Adopt queues a run that makes what runs already the stack's first good release.
func (q *Queue) Adopt(_ context.Context, name string, by state.Trigger) (*state.Run, error) {
	stack, err := q.stack(name)
	if err != nil {
		return nil, err
	}
	known, err := q.known(name)
	if err != nil {
		return nil, err
	}
	if known.Live != nil {
		return nil, pipeline.AlreadyDeployed(name)
	}
	run := q.newRun(stack, state.KindAdopt, by, state.RunTarget{})
	return run, q.ask(run)
}

// Restart queues a restart of a service, of all where it is empty.
func (q *Queue) Restart(_ context.Context, name, service string, by state.Trigger) (*state.Run, error) {
	stack, err := q.stack(name)
	if err != nil {
		return nil, err
	}
	known, err := q.known(name)
	if err != nil {
		return nil, err
	}
	if known.Live == nil {
		return nil, &state.Refusal{Reason: fmt.Sprintf("stack %s was never deployed", name), Hint: "deploy it first"}
	}
	if _, ok := known.Live.Images[service]; service != "" && !ok {
		return nil, &state.Refusal{Reason: fmt.Sprintf("the live release of %s has no service %s", name, service), Hint: "name one of its services, or none for all"}
	}
	run := q.newRun(stack, state.KindRestart, by, state.RunTarget{Service: service})
	return run, q.ask(run)
}

// Remove queues a run that removes the stack's containers and networks.
func (q *Queue) Remove(_ context.Context, name string, by state.Trigger) (*state.Run, error) {
	stack, err := q.stack(name)
	if err != nil {
		return nil, err
	}
	run := q.newRun(stack, state.KindRemove, by, state.RunTarget{})
	return run, q.ask(run)
}
