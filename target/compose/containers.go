package compose

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"deployer/project"
)

// Containers lists the containers of a project, stopped ones included, by one
// call. What `docker compose run` left is not the project's. The list does
// not say how often a container was restarted.
func (t *Target) Containers(ctx context.Context, projectName string) ([]project.Container, error) {
	items, err := t.list(ctx, projectName)
	if err != nil {
		return nil, err
	}
	return observed(items), nil
}

func (t *Target) list(ctx context.Context, projectName string) ([]container.Summary, error) {
	result, err := t.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofProject(projectName)})
	if err != nil {
		return nil, t.reached(err)
	}
	var items []container.Summary
	for _, item := range result.Items {
		if item.Labels[api.OneoffLabel] != "True" && item.Labels[api.HookLabel] == "" {
			items = append(items, item)
		}
	}
	return items, nil
}

func ofProject(name string) client.Filters {
	return client.Filters{}.Add("label", api.ProjectLabel+"="+name)
}

func observed(items []container.Summary) []project.Container {
	out := make([]project.Container, len(items))
	for i, item := range items {
		number, _ := strconv.Atoi(item.Labels[api.ContainerNumberLabel])
		out[i] = project.Container{
			ID: item.ID, Name: canonicalName(item), Number: number,
			Service: item.Labels[api.ServiceLabel], Hash: item.Labels[api.ConfigHashLabel],
			ImageID: item.ImageID, State: string(item.State), Health: health(item), ExitCode: exitCode(item.Status),
			Created: time.Unix(item.Created, 0).UTC(), Labels: item.Labels,
		}
	}
	return out
}

// canonicalName is the container's own name; links give it others, with a
// second slash.
func canonicalName(item container.Summary) string {
	for _, name := range item.Names {
		if strings.LastIndexByte(name, '/') == 0 {
			return name[1:]
		}
	}
	return item.ID[:min(12, len(item.ID))]
}

var (
	healthText = regexp.MustCompile(`\((?:health: )?(starting|healthy|unhealthy)\)`)
	exitText   = regexp.MustCompile(`^(?:Exited|Restarting|Dead) \((\d+)\)`)
)

// health reads the field that newer Engines fill, else the text that all
// Engines show: "Up 3 seconds (healthy)".
func health(item container.Summary) string {
	if item.Health != nil && item.Health.Status != container.NoHealthcheck {
		return string(item.Health.Status)
	}
	if m := healthText.FindStringSubmatch(item.Status); m != nil {
		return m[1]
	}
	return ""
}

func exitCode(status string) int {
	m := exitText.FindStringSubmatch(status)
	if m == nil {
		return 0
	}
	code, _ := strconv.Atoi(m[1])
	return code
}
