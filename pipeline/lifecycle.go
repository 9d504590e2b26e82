package pipeline

import (
	"context"
	"fmt"

	"deployer/project"
	"deployer/state"
)

// Lifecycle is what a Target can do besides with containers that run already.
// Its methods may be repeated after a crash at any point.
type Lifecycle interface {
	// Running describes a project by its containers; no service where there are none.
	Running(ctx context.Context, projectName string) (*project.Running, error)
	// Restart restarts the containers of a service, or of all where it is
	// empty. It does not wait for their health.
	Restart(ctx context.Context, projectName, service string) error
	// Down removes the containers and networks of a project, never a volume.
	Down(ctx context.Context, projectName string) error
}

func (s *Stack) lifecycle() (Lifecycle, error) {
	l, ok := s.Target.(Lifecycle)
	if !ok {
		return nil, fmt.Errorf("the target of stack %s can neither adopt, restart nor remove", s.Name)
	}
	return l, nil
}

// The ways of runs that work on what is there already.
var (
	adoptWay = []stage{
		{state.StagePreflight, adopt, within(preflightLimit)},
		{state.StageVerify, verify, within(verifyLimit)},
	}
	restartWay = []stage{
		{state.StageDeploy, restart, within(preflightLimit)},
		{state.StageVerify, verify, within(verifyLimit)},
	}
	removeWay = []stage{{state.StageDeploy, remove, within(preflightLimit)}}
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
		return nil, alreadyDeployed(name)
	}
	run := q.newRun(stack, state.KindAdopt, by, state.RunTarget{})
	return run, q.ask(run)
}

func alreadyDeployed(name string) error {
	return &state.Refusal{Reason: fmt.Sprintf("stack %s is deployed already", name), Hint: "only a stack that was never deployed can be adopted"}
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
