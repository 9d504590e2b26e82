package e2e

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
func (p *product) removeKeptImages() {
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		images, err := p.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", "deployer.local/"+p.stack))})
		if err != nil {
			p.t.Errorf("list kept images: %v", err)
			return
		}
		for _, kept := range images {
			for _, tag := range kept.RepoTags {
				if strings.HasPrefix(tag, "deployer.local/"+p.stack+":") {
					_, _ = p.engine.ImageRemove(ctx, tag, image.RemoveOptions{})
				}
			}
		}
	})
}

// image imports an image for the stack. What uses it is removed before it.
func (p *product) image(changes ...string) string {
	p.t.Helper()
	name := enginetest.Image(p.t, p.engine, changes...)
	p.removeKeptImages()
	enginetest.Cleanup(p.t, p.engine, p.stack)
	return name
}

func (p *product) tag(source, as string) {
	p.t.Helper()
	if err := p.engine.ImageTag(p.t.Context(), source, as); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_, _ = p.engine.ImageRemove(context.Background(), as, image.RemoveOptions{})
	})
}

// containers returns the ids of the stack's containers by service.
func (p *product) containers() map[string]string {
	p.t.Helper()
	list, err := p.engine.ContainerList(p.t.Context(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+p.stack)),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range list {
		service := c.Labels["com.docker.compose.service"]
		if out[service] != "" {
			p.t.Fatalf("service %s has two containers", service)
		}
		out[service] = c.ID
	}
	return out
}

// environment is what the container of a service was started with.
func (p *product) environment(service string) map[string]string {
	p.t.Helper()
	full, err := p.engine.ContainerInspect(p.t.Context(), p.containers()[service])
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]string{}
	for _, variable := range full.Config.Env {
		name, value, _ := strings.Cut(variable, "=")
		out[name] = value
	}
	return out
}
