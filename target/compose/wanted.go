package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"

	"deployer/project"
)

// resourcesLabel makes the networks and volumes that a service uses part of
// its config hash. Compose would only reconnect a container to a changed
// network, and lose the names under which others find it there.
const resourcesLabel = "deployer.resources"

// madeLabel tells the containers that deployer has made from those of others.
// It is no part of the config hash.
const madeLabel = "deployer.made"

// wanted returns the project as it is handed to the Compose library: images
// by ID and never pulled, and the labels by which the library finds its
// containers again. The plan and the apply both start from here, so that they
// agree on every hash. The caller owns the copy.
func wanted(p *project.Project) (*types.Project, error) {
	if err := supported(p); err != nil {
		return nil, err
	}
	needed := p.Compose.WithoutUnnecessaryResources().WithoutUnresolvedOptionalDependencies()
	needed.Name = p.Name
	return needed.WithServicesTransform(func(name string, s types.ServiceConfig) (types.ServiceConfig, error) {
		if image, ok := p.Images[name]; ok {
			s.Image = image.ID
		}
		s.Build = nil
		s.PullPolicy = types.PullPolicyNever
		resources, err := resourcesHash(needed, s)
		if err != nil {
			return s, fmt.Errorf("service %s: %w", name, err)
		}
		s.Labels = maps.Clone(s.Labels)
		if resources != "" {
			s.Labels = s.Labels.Add(resourcesLabel, resources)
		}
		s.CustomLabels = types.Labels{
			api.ProjectLabel:     p.Name,
			api.ServiceLabel:     name,
			api.VersionLabel:     api.ComposeVersion,
			api.WorkingDirLabel:  needed.WorkingDir,
			api.ConfigFilesLabel: strings.Join(needed.ComposeFiles, ","),
			api.OneoffLabel:      "False",
			madeLabel:            "true",
		}
		return s, nil
	})
}

// supported refuses what no server runs, and what was left to be built.
func supported(p *project.Project) error {
	if err := p.Supported(); err != nil {
		return err
	}
	for _, name := range p.Services() {
		if s := p.Compose.Services[name]; s.Image == "" && s.Build != nil {
			return fmt.Errorf("service %s has build: but no image:; build and push the image elsewhere, and give its name in image", name)
		}
	}
	return nil
}

// resourcesHash covers the definitions of a service's networks and the names
// of its volumes; a volume's definition cannot change (VolumeProblems).
func resourcesHash(p *types.Project, s types.ServiceConfig) (string, error) {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
		network, ok := p.Networks[key]
		if !ok {
			continue
		}
		hash, err := compose.NetworkHash(&network)
		if err != nil {
			return "", err
		}
		parts = append(parts, "network "+key+" "+hash)
	}
	for _, mount := range s.Volumes {
		if volume, ok := p.Volumes[mount.Source]; ok && mount.Type == types.VolumeTypeVolume {
			parts = append(parts, "volume "+mount.Source+" "+volume.Name)
		}
	}
	if len(parts) == 0 {
		return "", nil
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:8]), nil
}

// endsByItself reports whether a service may stop with exit code 0 and be
// done: nothing restarts it, and it serves nobody, or another service waits
// for its end.
func endsByItself(p *types.Project, name string) bool {
	if awaited(p, name) {
		return true
	}
	s := p.Services[name]
	policy, _, _ := strings.Cut(restartPolicy(s), ":")
	probed := s.HealthCheck != nil && !s.HealthCheck.Disable
	return (policy == "" || policy == types.RestartPolicyNo || policy == types.RestartPolicyOnFailure) &&
		!probed && len(s.Ports) == 0
}

// awaited reports whether a service starts only once this one has completed.
func awaited(p *types.Project, name string) bool {
	for _, s := range p.Services {
		if s.DependsOn[name].Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// restartPolicy reads deploy.restart_policy as Compose does: it wins over restart.
func restartPolicy(s types.ServiceConfig) string {
	if s.Deploy == nil || s.Deploy.RestartPolicy == nil {
		return s.Restart
	}
	switch s.Deploy.RestartPolicy.Condition {
	case "any":
		return types.RestartPolicyAlways
	case "none":
		return types.RestartPolicyNo
	}
	return s.Deploy.RestartPolicy.Condition
}
