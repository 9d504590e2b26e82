package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"deployer/state"
)

// checkKeptImages makes sure that a release that is run again still can be:
// what the Engine has lost is pulled by its digest, where it came from a
// registry, while the old containers run.
func (x *Execution) checkKeptImages(ctx context.Context) (string, error) {
	lost, err := x.Stack.Target.MissingImages(ctx, x.Release.ImageIDs())
	if err != nil {
		return "", err
	}
	var pulled []string
	for _, service := range slices.Sorted(maps.Keys(x.Release.Images)) {
		digest := x.Release.Digests[service]
		if digest == "" || !slices.Contains(lost, x.Release.Images[service]) {
			continue
		}
		if err := x.pullAgain(ctx, service, digest); err != nil {
			return "", hintElse(fmt.Errorf("an image of the release is no longer on the Engine, and cannot be pulled again: %w", err), HowToReload(x.Release, lost))
		}
		pulled = append(pulled, digest)
	}
	missing, err := x.Stack.Target.MissingImages(ctx, x.Release.ImageIDs())
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", WithHint(fmt.Errorf("images of the release are no longer on the Engine: %s", strings.Join(missing, ", ")),
			HowToReload(x.Release, missing)+", or choose another release")
	}
	said := fmt.Sprintf("%d on the Engine, exactly those that the release ran with", len(x.Release.Images))
	if pulled = slices.Compact(pulled); len(pulled) > 0 {
		said += "; no longer there, and pulled again: " + strings.Join(pulled, ", ")
	}
	return said, nil
}

// pullAgain pulls the image of a service by its digest, if no other service
// had it pulled just now.
func (x *Execution) pullAgain(ctx context.Context, service, digest string) error {
	alone := x.Project.Alone(service)
	s := alone.Compose.Services[service]
	s.Image, s.PullPolicy = digest, "missing"
	alone.Compose.Services[service] = s
	_, err := x.Stack.Target.Images(ctx, alone, "missing", x.Log)
	return err
}

// HowToReload says how images that the Engine has lost come back.
func HowToReload(r *state.Release, missing []string) string {
	var pulls []string
	for service, id := range r.Images {
		if digest := r.Digests[service]; digest != "" && slices.Contains(missing, id) {
			pulls = append(pulls, "docker pull "+digest)
		}
	}
	if len(pulls) == 0 {
		return "load them again (docker load)"
	}
	slices.Sort(pulls)
	return "get them back on the Engine's host: " + strings.Join(slices.Compact(pulls), "; ")
}
