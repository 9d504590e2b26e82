package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"

	"deployer/project"
)

// NameProblems names, a sentence each, the services whose container_name a
// container of somebody else has. Compose would find out when the old
// container is gone.
func (t *Target) NameProblems(ctx context.Context, p *project.Project) ([]string, error) {
	return t.takenNames(ctx, p.Name, p.Compose.Services)
}

func (t *Target) takenNames(ctx context.Context, projectName string, services types.Services) ([]string, error) {
	var problems []string
	for _, service := range slices.Sorted(maps.Keys(services)) {
		name := services[service].ContainerName
		if name == "" {
			continue
		}
		found, err := t.engine.ContainerInspect(ctx, name)
		if cerrdefs.IsNotFound(err) || err == nil && found.Name != "/"+name { // another one's ID begins so
			continue
		}
		if err != nil {
			return nil, t.reached(fmt.Errorf("container %s: %w", name, err))
		}
		holder := ""
		if found.Config != nil {
			holder = found.Config.Labels[api.ProjectLabel]
		}
		switch holder {
		case projectName:
			continue
		case "":
			holder = "of no project"
		default:
			holder = "of project " + holder
		}
		problems = append(problems, fmt.Sprintf("service %s: container_name %s is taken by a container %s", service, name, holder))
	}
	return problems, nil
}

// checkNames fails before anything is changed: a name may have been taken
// since preflight.
func (a *application) checkNames(ctx context.Context) error {
	problems, err := a.takenNames(ctx, a.want.Name, a.want.Services)
	if err == nil && len(problems) > 0 {
		err = errors.New(strings.Join(problems, "; "))
	}
	return err
}
