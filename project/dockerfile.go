package project

import (
	"bytes"
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// A dockerfile is what a build does: its stages, up to the one that is wanted.
type dockerfile struct {
	name     string                    // in the context
	global   []instructions.ArgCommand // before the first stage
	stages   []instructions.Stage
	heredocs bool // which are instructions for an older Engine
	lex      *shell.Lex
}

// readDockerfile reads the Dockerfile of a build from its context; nil where it
// cannot be read, which is left to the builder: its words are better.
func readDockerfile(tree fs.FS, build *types.BuildConfig) *dockerfile {
	name, text := "dockerfile_inline", []byte(build.DockerfileInline)
	if len(text) == 0 {
		var err error
		name = cmp.Or(build.Dockerfile, "Dockerfile")
		if text, err = fs.ReadFile(tree, path.Join(build.Context, name)); err != nil {
			return nil
		}
	}
	return parseDockerfile(name, text, build.Target)
}

func parseDockerfile(name string, text []byte, target string) *dockerfile {
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	stages, global, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil
	}
	heredocs := slices.ContainsFunc(parsed.AST.Children, func(n *parser.Node) bool { return len(n.Heredocs) > 0 })
	return &dockerfile{name, global, upTo(stages, target), heredocs, shell.NewLex(parsed.EscapeToken)}
}

// upTo leaves the stages after the target out, which is a name or a number.
func upTo(stages []instructions.Stage, target string) []instructions.Stage {
	if at, found := instructions.HasStage(stages, target); found && target != "" {
		return stages[:at+1]
	}
	if at, err := strconv.Atoi(target); err == nil && at >= 0 && at < len(stages) {
		return stages[:at+1]
	}
	return stages
}

// A Base is an image that a stage of a Dockerfile begins with or copies from.
type Base struct {
	Ref      string
	Platform string // empty: the Engine's
}

// Bases are the images that a build needs; not ok where its Dockerfile cannot
// be read, or where a name is only known to the builder.
func (b *Build) Bases() (bases []Base, ok bool) { return b.script.bases(b.Config.Args) }

// BasesOf are the Bases of a service's build, without packing it.
func (p *Project) BasesOf(service string) (bases []Base, ok bool) {
	b := p.Compose.Services[service].Build
	if b == nil {
		return nil, true
	}
	if p.view == nil {
		return nil, false
	}
	return readDockerfile(p.view.tree, b).bases(b.Args)
}

func (d *dockerfile) bases(args types.MappingWithEquals) (bases []Base, ok bool) {
	if d == nil || d.heredocs {
		return nil, false
	}
	vars, err := d.globalArgs(args)
	if err != nil {
		return nil, false
	}
	var names []string // of the stages before
	for _, stage := range d.stages {
		for _, base := range wantedBy(stage) {
			for _, word := range []*string{&base.Ref, &base.Platform} {
				expanded, unset, err := d.lex.ProcessWord(*word, vars)
				if err != nil || len(unset) > 0 {
					return nil, false
				}
				*word = expanded
			}
			own := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, base.Ref) })
			if !own && base.Ref != "scratch" && !isNumber(base.Ref) && !slices.Contains(bases, base) {
				bases = append(bases, base)
			}
		}
		names = append(names, stage.Name)
	}
	return bases, true
}

func wantedBy(stage instructions.Stage) []Base {
	wanted := []Base{{stage.BaseName, stage.Platform}}
	for _, c := range stage.Commands {
		if from, ok := c.(*instructions.CopyCommand); ok && from.From != "" {
			wanted = append(wanted, Base{Ref: from.From})
		}
	}
	return wanted
}

// isNumber reports whether a stage is named by its place.
func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// globalArgs are the ARGs before the first FROM, with what the build is told.
func (d *dockerfile) globalArgs(told types.MappingWithEquals) (shell.EnvGetter, error) {
	var vars []string
	for _, command := range d.global {
		for _, arg := range command.Args {
			value := arg.Value
			if given := told[arg.Key]; given != nil {
				value = given
			} else if value != nil {
				expanded, _, err := d.lex.ProcessWord(*value, shell.EnvsFromSlice(vars))
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

// A taking is a file or folder that an instruction takes from the context.
type taking struct {
	source string
	line   int
}

// takings are what the stages take from the context, in their order.
func (d *dockerfile) takings() (out []taking) {
	for _, stage := range d.stages {
		for _, command := range stage.Commands {
			var sources []string
			switch c := command.(type) {
			case *instructions.AddCommand:
				sources = c.SourcePaths
			case *instructions.CopyCommand:
				if c.From == "" {
					sources = c.SourcePaths
				}
			}
			for _, source := range sources {
				out = append(out, taking{source, command.Location()[0].Start.Line})
			}
		}
	}
	return out
}
