package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
	c := b.Config
	options := build.ImageBuildOptions{
		Tags: []string{tag}, Dockerfile: b.Dockerfile, BuildArgs: c.Args, Target: c.Target, Labels: c.Labels, NetworkMode: c.Network,
		ExtraHosts: c.ExtraHosts.AsList(":"), NoCache: c.NoCache, PullParent: c.Pull, ShmSize: int64(c.ShmSize),
		Remove: true, ForceRemove: true, Version: build.BuilderV1,
	}
	if len(c.Platforms) == 1 {
		options.Platform = c.Platforms[0]
	}
	response, err := t.engine.ImageBuild(ctx, bytes.NewReader(b.Context), options)
	if err != nil {
		return "", false, t.reached(fmt.Errorf("service %s: build: %w", b.Service, err))
	}
	defer response.Body.Close()
	lines := newLines(log)
	for message, err := range messages(response.Body) {
		switch {
		case err != nil && ctx.Err() != nil:
			return "", false, context.Cause(ctx)
		case err != nil:
			return "", false, t.reached(fmt.Errorf("service %s: build: %w", b.Service, err))
		case message.Error != nil:
			return "", false, fmt.Errorf("service %s: build: %w", b.Service, message.Error)
		case strings.TrimSpace(message.Stream) != "":
			lines.printf("%s: %s", b.Service, strings.TrimSpace(message.Stream))
		}
	}
	return tag, false, nil
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
