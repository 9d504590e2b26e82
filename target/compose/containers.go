package compose

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	mobyclient "github.com/moby/moby/client"

	"deployer/project"
)

// Containers lists the containers of a project, stopped ones included, by one
// call. What `docker compose run` left is not the project's. The list does
// not say how often a container was restarted. A container that Apply has
// found healthy is healthy, also while the Engine has not looked for itself.
func (t *Target) Containers(ctx context.Context, projectName string) ([]project.Container, error) {
	items, err := t.list(ctx, projectName)
	if err != nil {
		return nil, err
	}
	have := observed(items)
	return have, t.correct(ctx, projectName, have)
}

func (t *Target) list(ctx context.Context, projectName string) ([]container.Summary, error) {
	all, err := t.listAll(ctx, projectName)
	return lasting(all), err
}

// lasting leaves out what `docker compose run` and hooks left.
func lasting(all []container.Summary) []container.Summary {
	var items []container.Summary
	for _, item := range all {
		if item.Labels[api.OneoffLabel] != "True" && item.Labels[api.HookLabel] == "" {
			items = append(items, item)
		}
	}
	return items
}

// listAll lists what `docker compose run` and hooks left, too.
func (t *Target) listAll(ctx context.Context, projectName string) ([]container.Summary, error) {
	return t.listBy(ctx, ofProject(projectName))
}

func (t *Target) listBy(ctx context.Context, by filters.Args) ([]container.Summary, error) {
	if err := t.negotiate(ctx); err != nil {
		return nil, err
	}
	items, err := t.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	return items, t.reached(err)
}

// negotiate settles the API's version. The client looks at it before it
// negotiates it, which is a race with another first call; asking for a version
// negotiates.
func (t *Target) negotiate(ctx context.Context) error {
	return t.reached(t.engine.NewVersionError(ctx, mobyclient.MinAPIVersion, "the Compose library"))
}

func ofProject(name string, more ...filters.KeyValuePair) filters.Args {
	return filters.NewArgs(append(more, filters.Arg("label", api.ProjectLabel+"="+name))...)
}

func observed(items []container.Summary) []project.Container {
	out := make([]project.Container, len(items))
	for i, item := range items {
		number, _ := strconv.Atoi(item.Labels[api.ContainerNumberLabel])
		out[i] = project.Container{
			ID: item.ID, Name: canonicalName(item), Number: number,
			Service: item.Labels[api.ServiceLabel], Hash: item.Labels[api.ConfigHashLabel],
			ImageID: item.ImageID, State: item.State, Health: health(item.Status), ExitCode: exitCode(item.Status),
			Created: time.Unix(item.Created, 0).UTC(), Labels: item.Labels, Addresses: addresses(item.NetworkSettings),
		}
	}
	return out
}

func addresses(s *container.NetworkSettingsSummary) []string {
	var out []string
	if s == nil {
		return nil
	}
	for _, n := range s.Networks {
		if n != nil && n.IPAddress != "" {
			out = append(out, n.IPAddress)
		}
	}
	slices.Sort(out)
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

// health reads what a list says of it: "Up 3 seconds (healthy)".
func health(status string) string {
	if m := healthText.FindStringSubmatch(status); m != nil {
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
