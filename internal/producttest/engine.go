package producttest

import (
	"context"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"deployer/internal/enginetest"
)

// removeKeptImages removes, at the end, the names that deployer gives to the
// images of the stack.
func (p *Product) removeKeptImages(stack string) {
	p.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		images, err := p.Engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
			filters.Arg("reference", "deployer.local/"+stack), filters.Arg("reference", "deployer.local/"+stack+"/build"))})
		if err != nil {
			p.T.Errorf("list kept images: %v", err)
			return
		}
		for _, kept := range images {
			for _, tag := range kept.RepoTags {
				if strings.HasPrefix(tag, "deployer.local/"+stack) {
					_, _ = p.Engine.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true})
				}
			}
		}
	})
}

// Image imports an image for the stack. What uses it is removed before it.
func (p *Product) Image(changes ...string) string {
	p.T.Helper()
	name := enginetest.Image(p.T, p.Engine, changes...)
	p.removeKeptImages(p.Stack)
	enginetest.Cleanup(p.T, p.Engine, p.Stack)
	return name
}

// ToolImage is Image of a real program that scripts/tool builds.
func (p *Product) ToolImage(tool string, files map[string][]byte, changes ...string) string {
	p.T.Helper()
	name := enginetest.ToolImage(p.T, p.Engine, tool, files, changes...)
	p.removeKeptImages(p.Stack)
	enginetest.Cleanup(p.T, p.Engine, p.Stack)
	return name
}

// CleanUp removes, at the end, what a stack of another name leaves.
func (p *Product) CleanUp(stack string) {
	p.T.Helper()
	p.removeKeptImages(stack)
	enginetest.Cleanup(p.T, p.Engine, stack)
}

// ContainersOf is Containers of a stack of another name.
func (p *Product) ContainersOf(stack string) map[string]string {
	p.T.Helper()
	other := *p
	other.Stack = stack
	return other.Containers()
}

// Tag gives an image one more name until the test is over.
func (p *Product) Tag(source, as string) {
	p.T.Helper()
	if err := p.Engine.ImageTag(p.T.Context(), source, as); err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(func() {
		_, _ = p.Engine.ImageRemove(context.Background(), as, image.RemoveOptions{})
	})
}

// Containers returns the ids of the stack's containers by service.
func (p *Product) Containers() map[string]string {
	p.T.Helper()
	list, err := p.Engine.ContainerList(p.T.Context(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+p.Stack)),
	})
	if err != nil {
		p.T.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range list {
		service := c.Labels["com.docker.compose.service"]
		if out[service] != "" {
			p.T.Fatalf("service %s has two containers", service)
		}
		out[service] = c.ID
	}
	return out
}

// Environment is what the container of a service was started with.
func (p *Product) Environment(service string) map[string]string {
	p.T.Helper()
	full, err := p.Engine.ContainerInspect(p.T.Context(), p.Containers()[service])
	if err != nil {
		p.T.Fatal(err)
	}
	out := map[string]string{}
	for _, variable := range full.Config.Env {
		name, value, _ := strings.Cut(variable, "=")
		out[name] = value
	}
	return out
}
