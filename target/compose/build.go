package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	cerrdefs "github.com/containerd/errdefs"

	"deployer/project"
)

// BuildTag is the name of what a build of a stack makes.
func (t *Target) BuildTag(stack string, b *project.Build) string {
	return buildRepository(stack) + ":" + b.Hash[:24]
}

func buildRepository(stack string) string { return keepRepository(stack) + "/build" }

// Build builds an image by the Engine's own builder, unless what the same
// files and arguments have made is there already.
func (t *Target) Build(ctx context.Context, stack string, b *project.Build, log io.Writer) (tag string, reused bool, err error) {
	tag = t.BuildTag(stack, b)
	if _, err := t.engine.ImageInspect(ctx, tag); err == nil {
		return tag, true, nil
	} else if !cerrdefs.IsNotFound(err) {
		return "", false, t.reached(err)
	}
	out := newLines(log)
	told, err := t.provideBases(ctx, b, out)
	if err != nil {
		return "", false, err
	}
	c := b.Config
	options := build.ImageBuildOptions{
		Tags: []string{tag}, Dockerfile: b.Dockerfile, BuildArgs: c.Args, Target: c.Target, Labels: c.Labels, NetworkMode: c.Network,
		ExtraHosts: c.ExtraHosts.AsList(":"), NoCache: c.NoCache, PullParent: c.Pull && !told, ShmSize: int64(c.ShmSize),
		Remove: true, ForceRemove: true, Version: build.BuilderV1,
	}
	if len(c.Platforms) == 1 {
		options.Platform = c.Platforms[0]
	}
	var steps stepImages
	t.builds.begin()
	defer func() { t.built(ctx, &steps, err != nil) }()
	response, err := t.engine.ImageBuild(ctx, bytes.NewReader(b.Context), options)
	if err != nil {
		return "", false, t.reached(fmt.Errorf("service %s: build: %w", b.Service, err))
	}
	defer response.Body.Close()
	var said output
	for message, err := range messages(response.Body) {
		switch {
		case err != nil && ctx.Err() != nil:
			return "", false, context.Cause(ctx)
		case err != nil:
			return "", false, t.reached(fmt.Errorf("service %s: build: %w", b.Service, err))
		case message.Error != nil:
			return "", false, fmt.Errorf("service %s: build: %w%s", b.Service, message.Error, said.end())
		default:
			for _, line := range said.add(message.Stream) {
				steps.hear(line)
				out.printf("%s: %s", b.Service, line)
			}
		}
	}
	return tag, false, nil
}

const (
	outputLines = 5   // of a build that failed that its error shows
	outputBytes = 600 // of them, at most
)

// colour is what the builder wraps the standard error of a command in.
var colour = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// output is the end of what the commands of a build wrote.
type output struct{ last []string }

// add returns the lines of a message, and keeps those that a command wrote.
func (o *output) add(text string) (lines []string) {
	for line := range strings.SplitSeq(colour.ReplaceAllString(text, ""), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case strings.HasPrefix(line, "Step "):
			o.last = nil
		case !strings.HasPrefix(line, "---> ") && line != "--->" && !strings.HasPrefix(line, "Removing intermediate container "):
			o.last = append(o.last, line)
		}
		lines = append(lines, line)
	}
	o.last = o.last[max(0, len(o.last)-outputLines):]
	return lines
}

// end says how the output ended.
func (o *output) end() string {
	text := strings.Join(o.last, "; ")
	if text == "" {
		return ""
	}
	if len(text) > outputBytes {
		text = "…" + strings.ToValidUTF8(text[len(text)-outputBytes:], "")
	}
	return "; it wrote last: " + text
}

// dropBuilds takes the tags of builds away whose images are not kept.
func (t *Target) dropBuilds(ctx context.Context, stack string, ids []string) error {
	repository := buildRepository(stack)
	list, err := t.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))})
	if err != nil {
		return t.reached(err)
	}
	kept := map[string]bool{}
	for _, id := range ids {
		kept[id] = true
	}
	for _, item := range list {
		for _, tag := range item.RepoTags {
			if kept[item.ID] || !strings.HasPrefix(tag, repository+":") {
				continue
			}
			_, err := t.engine.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true})
			if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
				return t.reached(fmt.Errorf("untag %s: %w", tag, err))
			}
		}
	}
	return nil
}
