package compose

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"deployer/project"
)

// NetworkProblems names, a sentence each, the external networks that services
// need and the Engine does not have.
func (t *Target) NetworkProblems(ctx context.Context, p *project.Project) ([]string, error) {
	return t.missingNetworks(ctx, p.Compose.WithoutUnnecessaryResources())
}

func (t *Target) missingNetworks(ctx context.Context, want *types.Project) ([]string, error) {
	var problems []string
	for _, key := range want.NetworkNames() {
		external := want.Networks[key]
		if !external.External {
			continue
		}
		_, err := t.engine.NetworkInspect(ctx, external.Name, network.InspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			problems = append(problems, fmt.Sprintf("network %s is external and does not exist; make it with `docker network create %s`", key, external.Name))
		case err != nil:
			return nil, t.reached(fmt.Errorf("network %s: %w", external.Name, err))
		}
	}
	return problems, nil
}

// checkExternalNetworks fails before anything is changed: they may be gone
// since preflight.
func (a *application) checkExternalNetworks(ctx context.Context) error {
	problems, err := a.missingNetworks(ctx, a.want)
	if err == nil && len(problems) > 0 {
		err = errors.New(strings.Join(problems, "; "))
	}
	return err
}
