package compose

import (
	"context"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"

	"deployer/project"
)

// Down removes the containers and networks of a project, those of `docker
// compose run` and of hooks too. Volumes and their data stay.
func (t *Target) Down(ctx context.Context, projectName string) error {
	if err := t.spareProject(ctx, projectName); err != nil {
		return err
	}
	items, err := t.listAll(ctx, projectName)
	if err != nil {
		return err
	}
	if err := t.stopAndRemove(ctx, observed(items), 0, newLines(nil)); err != nil {
		return err
	}
	networks, err := t.engine.NetworkList(ctx, network.ListOptions{Filters: ofProject(projectName)})
	if err != nil {
		return t.reached(err)
	}
	for _, n := range networks {
		err := t.engine.NetworkRemove(ctx, n.ID)
		if err != nil && !cerrdefs.IsNotFound(err) {
			return t.reached(fmt.Errorf("remove network %s: %w", n.Name, err))
		}
	}
	return nil
}

// Stop stops the containers of a service, or of the whole project where
// service is empty.
func (t *Target) Stop(ctx context.Context, projectName, service string) error {
	return t.each(ctx, projectName, service, func(ctx context.Context, c project.Container) error {
		return t.engine.ContainerStop(ctx, c.ID, container.StopOptions{})
	})
}

// Restart restarts the containers of a service, or of the whole project where
// service is empty. It does not wait for their health.
func (t *Target) Restart(ctx context.Context, projectName, service string) error {
	return t.each(ctx, projectName, service, func(ctx context.Context, c project.Container) error {
		return t.engine.ContainerRestart(ctx, c.ID, container.StopOptions{})
	})
}

func (t *Target) each(ctx context.Context, projectName, service string, do func(context.Context, project.Container) error) error {
	if err := t.spareProject(ctx, projectName); err != nil {
		return err
	}
	containers, err := t.Containers(ctx, projectName)
	if err != nil {
		return err
	}
	found := false
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range containers {
		if service != "" && c.Service != service {
			continue
		}
		found = true
		group.Go(func() error {
			if err := do(ctx, c); err != nil {
				return t.reached(fmt.Errorf("container %s: %w", c.Name, err))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if !found {
		return noContainer(projectName, service)
	}
	return nil
}

func noContainer(projectName, service string) error {
	if service == "" {
		return fmt.Errorf("project %s has no container; deploy it first", projectName)
	}
	return fmt.Errorf("service %s of project %s has no container that runs; see its state with `docker compose -p %s ps -a`", service, projectName, projectName)
}

// Exec runs a command in the first running container of a service and waits
// for its end. A command that fails is not an error: it has its exit code.
func (t *Target) Exec(ctx context.Context, projectName, service string, argv []string) (project.ExecResult, error) {
	if len(argv) == 0 {
		return project.ExecResult{}, errors.New("no command to run")
	}
	containers, err := t.Containers(ctx, projectName)
	if err != nil {
		return project.ExecResult{}, err
	}
	for _, c := range byService(containers)[service] {
		if c.State != "running" {
			continue
		}
		result, err := t.exec(ctx, c.ID, argv)
		if err != nil && ctx.Err() != nil {
			return result, context.Cause(ctx)
		}
		if err != nil {
			return result, t.reached(fmt.Errorf("run %s in container %s: %w", argv[0], c.Name, err))
		}
		return result, nil
	}
	return project.ExecResult{}, noContainer(projectName, service)
}

func (t *Target) exec(ctx context.Context, id string, argv []string) (project.ExecResult, error) {
	created, err := t.engine.ContainerExecCreate(ctx, id, container.ExecOptions{AttachStdout: true, AttachStderr: true, Cmd: argv})
	if err != nil {
		return project.ExecResult{}, err
	}
	attached, err := t.engine.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return project.ExecResult{}, err
	}
	defer attached.Close()
	stop := context.AfterFunc(ctx, attached.Close) // a hijacked connection does not know ctx
	defer stop()
	out := &beginning{limit: maxOutput}
	if err := demultiplex(out, attached.Reader, false); err != nil {
		return project.ExecResult{}, err
	}
	code, err := t.exitCode(ctx, created.ID)
	return project.ExecResult{ExitCode: code, Output: out.String()}, err
}

// exitCode waits for the exit code of a command whose output has ended. The
// Engine closes the output a moment before it knows the code, and says 0 until then.
func (t *Target) exitCode(ctx context.Context, execID string) (int, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		ended, err := t.engine.ContainerExecInspect(ctx, execID)
		if err != nil || !ended.Running {
			return ended.ExitCode, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}
