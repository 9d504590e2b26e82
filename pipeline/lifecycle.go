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
