package pipeline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/state"
)

// Builder is what a Target can do besides where it builds images.
type Builder interface {
	// BuildTag is the name that Build gives to what it makes.
	BuildTag(stack string, b *project.Build) string
	// Build makes an image and names it, or finds that the same files and
	// arguments have made it already.
	Build(ctx context.Context, stack string, b *project.Build, log io.Writer) (tag string, reused bool, err error)
}

// buildImages builds what the services want built, while the old containers run.
func (x *Execution) buildImages(ctx context.Context) error {
	services := x.Project.Builds()
	if len(services) == 0 {
		return nil
	}
	return x.Step(ctx, "build", func(ctx context.Context) (string, error) {
		if err := x.mayBuild(services); err != nil {
			return "", err
		}
		builder, ok := x.Stack.Target.(Builder)
		if !ok {
			return "", WithHint(fmt.Errorf("the target of stack %s cannot build images", x.Stack.Name), "build and push the image elsewhere, and name it with image:")
		}
		var said []string
		for _, service := range services {
			b, err := x.pack(service)
			if err != nil {
				return "", err
			}
			x.warnOfSecretArgs(b)
			tag, reused, err := builder.Build(ctx, x.Stack.ShelfName(), b, x.Log)
			if err != nil {
				return "", hintElse(err, "the log has all that the build said; correct it and push again")
			}
			x.Project.Built(b, tag)
			how := "built"
			if reused {
				how = "built before"
			}
			said = append(said, service+" "+how)
		}
		return strings.Join(said, ", "), nil
	})
}

// warnOfSecretArgs warns of build arguments that whoever has the image can read.
func (x *Execution) warnOfSecretArgs(b *project.Build) {
	var names []string
	for name, value := range b.Config.Args {
		if value != nil && x.Mask.Redact(*value) != *value {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	x.record("build", check.Result{
		Status:  state.StepWarned,
		Message: fmt.Sprintf("service %s: build: args: %s: a secret, which the image's history shows to whoever has the image", b.Service, strings.Join(names, ", ")),
		Hint:    "give it to the container instead, under environment: or secrets:, and replace what was built in",
	}, 0)
}

// nameBuilds names what buildImages would make, for a plan.
func (x *Execution) nameBuilds() error {
	builder, ok := x.Stack.Target.(Builder)
	for _, service := range x.Project.Builds() {
		if !ok || !x.File.Deploy.Build {
			continue // the target says of it what it can
		}
		b, err := x.pack(service)
		if err != nil {
			return err
		}
		x.Project.Built(b, builder.BuildTag(x.Stack.ShelfName(), b))
	}
	return nil
}
