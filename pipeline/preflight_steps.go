package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"deployer/project"
	"deployer/state"
)

func (x *Execution) checkVolumes(ctx context.Context) (string, error) {
	problems, err := x.Stack.Target.VolumeProblems(ctx, x.Project)
	if err != nil {
		return "", err
	}
	if len(problems) > 0 {
		return "", WithHint(errors.New(strings.Join(problems, "; ")),
			"deployer makes no external volume and never removes one: make it, give the new definition a new volume name, or move the data by hand")
	}
	return "no volume definition changed", nil
}

func (x *Execution) checkNetworks(ctx context.Context) (string, error) {
	problems, err := x.Stack.Target.NetworkProblems(ctx, x.Project)
	if err != nil {
		return "", err
	}
	if len(problems) > 0 {
		return "", WithHint(errors.New(strings.Join(problems, "; ")), "deployer makes no external network: make it, or leave `external` out")
	}
	return "the external ones are there", nil
}

func (x *Execution) checkNames(ctx context.Context) (string, error) {
	problems, err := x.Stack.Target.NameProblems(ctx, x.Project)
	if err != nil {
		return "", err
	}
	if len(problems) > 0 {
		return "", WithHint(errors.New(strings.Join(problems, "; ")), "give the service another container_name or none, or remove the container that has it")
	}
	return "no container of somebody else has a container_name of these", nil
}

// checkWrittenFiles refuses a deploy that would silently replace files that a
// container has written into its copy of tracked content.
func (x *Execution) checkWrittenFiles(context.Context) (string, error) {
	if x.Known.Live == nil {
		return "none mounted by a release before", nil
	}
	old, err := x.runner.resolveKept(x.Stack, x.Known.Live)
	if err != nil {
		return "", fmt.Errorf("resolve the live release: %w", err)
	}
	var leaving []project.Mount
	for _, m := range old.Mounts {
		stays := slices.ContainsFunc(x.Project.Mounts, func(n project.Mount) bool { return n.Host == m.Host })
		if m.Kind == project.MountCopy && !stays {
			leaving = append(leaving, m)
		}
	}
	written, err := project.WrittenCopies(leaving)
	if err != nil {
		return "", err
	}
	if len(written) == 0 {
		return "no container has written into tracked files", nil
	}
	var names []string
	for _, m := range written {
		names = append(names, m.Service+": "+m.Path)
	}
	return "", WithHint(fmt.Errorf("a container has written into tracked files that this push replaces: %s", strings.Join(names, ", ")),
		"mount them read-only (:ro), or keep what is written with x-deployer: {files: keep} on the service")
}

// checkWayBack makes sure, before the first container stops, that the last
// good release can run again from what is local.
func (x *Execution) checkWayBack(ctx context.Context) (string, error) {
	good := x.Known.LastGood
	switch {
	case !x.File.Rollback.Automatic:
		return "automatic rollback is off for this release", nil
	case good == nil:
		return "this is the first release: there is none to go back to", nil
	}
	const without = "push once with rollback: {automatic: false}"
	release := "release " + state.ShortCommit(good.Commit)
	kept, err := x.open(good)
	if err != nil {
		return "", WithHint(fmt.Errorf("%s could not be run again: %w", release, err), without)
	}
	pulled, err := x.restoreImages(ctx, good, kept.Project, release, without)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("release of %s is complete and local%s", state.ShortCommit(good.Commit), again(pulled)), nil
}
