package project

import (
	"archive/tar"
	"bytes"
	"cmp"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// A Base is an image that a stage of a Dockerfile begins with or copies from.
type Base struct{ Ref, Platform string }

// Bases are the images that a build begins with or copies from; not ok where
// its Dockerfile cannot be read, or where a name is only known to the builder.
func (b *Build) Bases() (bases []Base, ok bool) {
	return basesOf(b.dockerfile(), b.Config.Args, b.Config.Target)
}

// BasesOf are the Bases of a service's build, without packing it.
func (p *Project) BasesOf(service string) (bases []Base, ok bool) {
	b := p.Compose.Services[service].Build
	if b == nil {
		return nil, true
	}
	if p.view == nil {
		return nil, false
	}
	text := []byte(b.DockerfileInline)
	if len(text) == 0 {
		var err error
		if text, err = fs.ReadFile(p.view.tree, path.Join(b.Context, cmp.Or(b.Dockerfile, "Dockerfile"))); err != nil {
			return nil, false
		}
	}
	return basesOf(text, b.Args, b.Target)
}

// basesOf are the images that a Dockerfile's stages up to the target need; not
// ok where it cannot be read, or where a name is only known to the builder.
func basesOf(dockerfile []byte, args types.MappingWithEquals, target string) (bases []Base, ok bool) {
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
		wanted := []Base{{stage.BaseName, stage.Platform}}
		for _, c := range stage.Commands {
			if from, ok := c.(*instructions.CopyCommand); ok && from.From != "" {
				wanted = append(wanted, Base{Ref: from.From})
			}
		}
		for _, b := range wanted {
			for _, word := range []*string{&b.Ref, &b.Platform} {
				expanded, unset, err := lex.ProcessWord(*word, vars)
				if err != nil || len(unset) > 0 {
					return nil, false
				}
				*word = expanded
			}
			own := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, b.Ref) })
			if !own && b.Ref != "scratch" && !isNumber(b.Ref) && !slices.Contains(bases, b) {
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

// dockerfile is the build's Dockerfile, empty where the context has none.
func (b *Build) dockerfile() []byte {
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
