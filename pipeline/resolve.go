package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/state"
)

// resolve makes the project of the release and pins its images, pulling what
// is missing while the old containers still run.
func (x *Execution) resolve(ctx context.Context, pull string) error {
	if err := x.resolveFiles(ctx); err != nil {
		return err
	}
	if err := x.refuseUnsupported(x.Project); err != nil {
		return err
	}
	if err := x.judgePolicy(ctx); err != nil {
		return err
	}
	if err := x.buildImages(ctx); err != nil {
		return err
	}
	return x.Step(ctx, "images", func(ctx context.Context) (string, error) { return x.pinImages(ctx, pull) })
}

// resolveFiles makes the project of the compose files and the env.
func (x *Execution) resolveFiles(ctx context.Context) error {
	err := x.Step(ctx, "compose", func(ctx context.Context) (string, error) {
		p, err := project.Load(ctx, x.source())
		if err != nil {
			return "", hintElse(hintApart(err), "correct the file and push again")
		}
		x.Project = p
		x.Mask.Add(p.Secrets()...)
		if err := p.CheckContent(x.Tree); err != nil {
			return "", hintElse(err, "commit the files themselves: `git lfs migrate export` takes them out of LFS")
		}
		return counted(len(p.Compose.Services), "service") + ", " + counted(len(p.Mounts), "mount"), nil
	})
	if err != nil {
		return err
	}
	x.showSubmodules()
	for _, warning := range x.Project.Warnings {
		x.record("compose", check.Result{Status: state.StepWarned, Message: warning}, 0)
	}
	return nil
}

// refuseUnsupported refuses what no server runs, each with a step of its own.
func (x *Execution) refuseUnsupported(p *project.Project) error {
	err := p.Supported()
	found := project.Unsupported(nil)
	if !errors.As(err, &found) {
		return err
	}
	for _, one := range found {
		message, hint, _ := strings.Cut(one.Error(), "; ")
		x.record("compose", check.Result{Status: state.StepFailed, Message: message, Hint: hint}, 0)
	}
	return WithHint(err, "correct the file and push again")
}

func (x *Execution) pinImages(ctx context.Context, pull string) (string, error) {
	images, err := x.Stack.Target.Images(ctx, x.Project, pull, x.Log)
	if err != nil {
		return "", err
	}
	x.Project.PinImages(images)
	pulled := 0
	for _, image := range images {
		if image.Pulled {
			pulled++
		}
	}
	return fmt.Sprintf("%d on the Engine, %d of them pulled now", len(images), pulled), nil
}
