package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/state"
)

func (x *Execution) mayBuild(services []string) error {
	if x.File.Deploy.Build {
		return nil
	}
	return WithHint(fmt.Errorf("service %s has build:, and building is off", strings.Join(services, ", ")),
		"say deploy: {build: true} in "+FileName+", or build and push the image elsewhere and name it with image:")
}

// pack makes the build context of a service. An encrypted file that the
// Dockerfile names is refused, as in a mount; one that it copies with its
// folder is warned of, since not all of that need be for the container.
func (x *Execution) pack(service string) (*project.Build, error) {
	b, err := x.Project.Build(x.Tree, service)
	if err != nil {
		return nil, hintElse(err, "correct it and push again")
	}
	for _, c := range b.Ciphertext {
		switch {
		case c.Named:
			return nil, &project.SealedCopyError{Ciphertext: c}
		case !x.opens(c.File):
			x.record("build", check.Result{Status: state.StepWarned, Message: c.String(),
				Hint: "list it in .dockerignore, unless the image decrypts it by itself; what the container needs of it in plain is for `secrets:` of the compose file"}, 0)
		}
	}
	return b, nil
}

// opens reports whether an encrypted file is one that deployer opens for the
// stack, in this environment or another. Such files lie beside the compose
// file, and so in a context that is the stack's folder: the containers get
// what is in them another way.
func (x *Execution) opens(name string) bool {
	envs := []string{usualEnv, x.File.EnvFile}
	for _, e := range x.File.Environments {
		envs = append(envs, e.EnvFile)
	}
	return x.Project.Opens(name) ||
		slices.ContainsFunc(envs, func(e string) bool { return e != "" && path.Join(x.Stack.Directory, e) == name })
}

// checkBuilds looks at what would be built, where nothing can be. A folder on
// a desk may hold what is in no commit: what does not fit in a context is no
// proof.
func (x *Execution) checkBuilds(ctx context.Context) {
	services := x.Project.Builds()
	if len(services) == 0 {
		return
	}
	_ = x.Step(ctx, "build", func(context.Context) (string, error) {
		if err := x.mayBuild(services); err != nil {
			return "", err
		}
		for _, service := range services {
			_, err := x.pack(service)
			if sealed := (*project.SealedCopyError)(nil); errors.As(err, &sealed) {
				return "", err
			}
			if err != nil {
				x.record("build", check.Result{Status: state.StepWarned, Message: "seen in this folder: " + err.Error(), Hint: Hint(err)}, 0)
			}
		}
		return counted(len(services), "context") + " looked through; the server builds, before a deploy", nil
	})
}
