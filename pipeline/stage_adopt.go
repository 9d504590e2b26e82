package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"deployer/project"
	"deployer/state"
)

// NothingToAdopt ends the error of an adoption where there is no container.
const NothingToAdopt = "has no containers here"

// adopt makes a release of the containers that run, without touching any.
// Reading them must be enough to make the same ones again: what the Engine
// would do to get to the release is nothing.
func adopt(ctx context.Context, x *Execution) error {
	if x.Known.Live != nil {
		return AlreadyDeployed(x.Stack.Name)
	}
	var found *project.Running
	err := x.Step(ctx, "containers", func(ctx context.Context) (string, error) {
		l, err := x.Stack.lifecycle()
		if err != nil {
			return "", err
		}
		if found, err = l.Running(ctx, x.Stack.Project); err != nil {
			return "", err
		}
		services := slices.Sorted(maps.Keys(found.Images))
		if len(services) == 0 {
			return "", WithHint(fmt.Errorf("compose project %s %s", x.Stack.Project, NothingToAdopt),
				"`docker compose ls --all` lists projects; name the right one with project: in deployer.yaml, or push to deploy anew")
		}
		return counted(len(services), "service") + ": " + strings.Join(services, ", "), nil
	})
	if err != nil {
		return err
	}
	if err := x.Step(ctx, "release", func(ctx context.Context) (string, error) { return x.adoptRelease(ctx, found) }); err != nil {
		return err
	}
	if err := x.Step(ctx, "compare", x.compareAdopted); err != nil {
		return err
	}
	return x.Step(ctx, "keep", x.keepAdopted)
}

// adoptRelease fills what the stages before a deploy fill, from the containers.
func (x *Execution) adoptRelease(ctx context.Context, found *project.Running) (string, error) {
	recipe, err := found.Recipe(x.Stack.Directory)
	if err != nil {
		return "", err
	}
	if _, _, err := ReadFile(recipe, x.Stack.Directory, x.environment()); err != nil { // the environment has an entry of its own
		x.FileRaw = fmt.Appendf(nil, "environments: {%q: {}}\n", x.environment())
		recipe.Add(pathOf(x.Stack), x.FileRaw)
	}
	if x.File, _, err = ReadFile(recipe, x.Stack.Directory, x.environment()); err != nil {
		return "", err
	}
	if x.Env, err = recipe.Env(); err != nil {
		return "", err
	}
	x.Mask.Add(x.Env.Secrets()...)
	x.Tree = recipe
	source := x.source()
	source.OpenEnv = recipe.OpenEnv
	if x.Project, err = project.Load(ctx, source); err != nil {
		return "", WithHint(fmt.Errorf("what the containers say cannot be deployed by deployer: %w", err),
			"deploy the stack from its repository instead: its volumes are kept by their names")
	}
	x.Project.PinImages(imagesByID(found.Images))
	x.Run.Subject = "what ran before deployer"
	x.Release = &state.Release{
		ID: x.fingerprint(), Stack: x.Stack.Name, Subject: x.Run.Subject, Run: x.Run.ID,
		Environment: x.environment(), Directory: x.Stack.Directory, Images: found.Images,
	}
	x.Run.Release = x.Release.ID
	return fmt.Sprintf("%d images by ID, %d volumes and %d networks by name", len(x.Release.ImageIDs()),
		len(x.Project.Compose.Volumes), len(x.Project.Compose.Networks)), nil
}

func imagesByID(ids map[string]string) map[string]project.Image {
	images := make(map[string]project.Image, len(ids))
	for service, id := range ids {
		images[service] = project.Image{Ref: id, ID: id}
	}
	return images
}

// compareAdopted makes sure that the release is what runs.
func (x *Execution) compareAdopted(ctx context.Context) (string, error) {
	observed, err := x.Stack.Target.Containers(ctx, x.Stack.Project)
	if err != nil {
		return "", err
	}
	services, err := x.planned(ctx, observed)
	if err != nil {
		return "", err
	}
	changes := x.changes(services)
	x.Run.Changes = changes
	var differ []string
	for _, s := range changes.Services {
		if s.Changes() {
			differ = append(differ, fmt.Sprintf("%s (%s)", s.Name, s.Why))
		}
	}
	if len(differ) > 0 {
		return "", WithHint(errors.New("what runs could not be made again as it is: "+strings.Join(differ, ", ")),
			"start or remove what does not run; else deploy from the repository: volumes are kept by their names")
	}
	return "every container can stay as it is", nil
}

// keepAdopted makes the release one that can be gone back to: its images are
// kept from a prune, and its recipe is on disk.
func (x *Execution) keepAdopted(ctx context.Context) (string, error) {
	if err := x.keepImages(ctx); err != nil {
		return "", err
	}
	sealed, err := x.seal()
	if err != nil {
		return "", err
	}
	x.Release.At = x.runner.now().UTC()
	err = x.journal.Commit(x.Run, func(tx *state.Tx) error { return tx.PutRelease(x.Release, sealed) })
	return fmt.Sprintf("release %s can be gone back to", state.ShortCommit(x.Release.ID)), err
}

// AlreadyDeployed refuses to adopt a stack that has a live release.
func AlreadyDeployed(name string) error {
	return &state.Refusal{Reason: fmt.Sprintf("stack %s is deployed already", name), Hint: "only a stack that was never deployed can be adopted"}
}
