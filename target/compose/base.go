package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"deployer/project"
)

// provideBases pulls the images that a build begins with, as the images of
// services are: with the credentials for their registries, which the Engine's
// builder would not have, and with the same errors. It reports whether it
// could tell which they are; where not, the builder says what it misses.
func (t *Target) provideBases(ctx context.Context, b *project.Build, log *lines) (told bool, err error) {
	bases, ok := basesOf(dockerfileOf(b), b.Config.Args, b.Config.Target)
	if !ok {
		return false, nil
	}
	r := request{policy: types.PullPolicyMissing, services: []string{b.Service}}
	if b.Config.Pull {
		r.policy = types.PullPolicyAlways
	}
	for _, from := range bases {
		r.ref, r.platform = from.ref, from.platform
		if r.platform == "" && len(b.Config.Platforms) == 1 {
			r.platform = b.Config.Platforms[0]
		}
		if _, err := t.provide(ctx, r, log); err != nil {
			return true, err
		}
	}
	return true, nil
}

// dockerfileOf is the build's Dockerfile, empty where the context has none.
func dockerfileOf(b *project.Build) []byte {
	archive := tar.NewReader(bytes.NewReader(b.Context))
	for {
		header, err := archive.Next()
		if err != nil {
			return nil
		}
		if path.Clean(header.Name) == path.Clean(b.Dockerfile) {
			content, err := io.ReadAll(archive)
			if err != nil {
				return nil
			}
			return content
		}
	}
}

// A base is an image that a stage of a Dockerfile begins with or copies from.
type base struct{ ref, platform string }

// basesOf are the images that a Dockerfile's stages up to the target need; not
// ok where it cannot be read, or where a name is only known to the builder.
func basesOf(dockerfile []byte, args types.MappingWithEquals, target string) (bases []base, ok bool) {
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return nil, false
	}
	stages, global, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, false
	}
	lex := shell.NewLex(parsed.EscapeToken)
	vars, err := globalArgs(lex, global, args)
	if err != nil {
		return nil, false
	}
	var names []string // of the stages before
	for _, stage := range stages {
		wanted := []base{{stage.BaseName, stage.Platform}}
		for _, c := range stage.Commands {
			if from, ok := c.(*instructions.CopyCommand); ok && from.From != "" {
				wanted = append(wanted, base{ref: from.From})
			}
		}
		for _, b := range wanted {
			for _, word := range []*string{&b.ref, &b.platform} {
				expanded, unset, err := lex.ProcessWord(*word, vars)
				if err != nil || len(unset) > 0 {
					return nil, false
				}
				*word = expanded
			}
			own := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, b.ref) })
			if !own && b.ref != "scratch" && !isNumber(b.ref) && !slices.Contains(bases, b) {
				bases = append(bases, b)
			}
		}
		names = append(names, stage.Name)
		if target != "" && strings.EqualFold(stage.Name, target) {
			break
		}
	}
	return bases, true
}

// isNumber reports whether a stage is named by its place.
func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// globalArgs are the ARGs before the first FROM, with what the build is told.
func globalArgs(lex *shell.Lex, global []instructions.ArgCommand, told types.MappingWithEquals) (shell.EnvGetter, error) {
	var vars []string
	for _, command := range global {
		for _, arg := range command.Args {
			value := arg.Value
			if given := told[arg.Key]; given != nil {
				value = given
			} else if value != nil {
				expanded, _, err := lex.ProcessWord(*value, shell.EnvsFromSlice(vars))
				if err != nil {
					return nil, err
				}
				value = &expanded
			}
			if value != nil {
				vars = append(vars, arg.Key+"="+*value)
			}
		}
	}
	return shell.EnvsFromSlice(vars), nil
}
