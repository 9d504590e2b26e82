package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"deployer/project"
	"deployer/state"
)

// checkKeptImages makes sure that a release that is run again still can be.
func (x *Execution) checkKeptImages(ctx context.Context) (string, error) {
	pulled, err := x.restoreImages(ctx, x.Release, x.Project, "the release", "choose another one")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d on the Engine, exactly those that the release ran with%s", len(x.Release.Images), again(pulled)), nil
}

// restoreImages is bringBack where nothing may stay missing. What is the
// release in words; otherwise is what to do if its images do not come back.
func (x *Execution) restoreImages(ctx context.Context, r *state.Release, p *project.Project, what, otherwise string) (pulled []string, err error) {
	pulled, missing, err := x.bringBack(ctx, r, p)
	hint := HowToReload(r, missing) + ", or " + otherwise
	switch {
	case err != nil && len(missing) == 0: // whether any are is not known
		return nil, err
	case err != nil:
		if own := Hint(err); own != "" {
			hint = own + "; or " + hint
		}
		return nil, WithHint(fmt.Errorf("%s could not be run again: an image is no longer on the Engine, and cannot be pulled again: %w", what, err), hint)
	case len(missing) > 0:
		return nil, WithHint(fmt.Errorf("%s could not be run again: its images are no longer on the Engine: %s", what, strings.Join(missing, ", ")), hint)
	}
	return pulled, nil
}

// bringBack pulls, by its digest, each image of a kept release that the Engine
// has lost and a registry had, while the old containers run. It returns those
// that it pulled and the IDs of those that are still missing.
func (x *Execution) bringBack(ctx context.Context, r *state.Release, p *project.Project) (pulled, missing []string, err error) {
	missing, err = x.Stack.Target.MissingImages(ctx, r.ImageIDs())
	if err != nil || len(missing) == 0 {
		return nil, missing, err
	}
	for _, service := range slices.Sorted(maps.Keys(r.Images)) {
		digest := r.Digests[service]
		if digest == "" || !slices.Contains(missing, r.Images[service]) {
			continue
		}
		if err := x.pullAgain(ctx, p, service, digest); err != nil {
			return nil, missing, err
		}
		pulled = append(pulled, digest)
	}
	if missing, err = x.Stack.Target.MissingImages(ctx, r.ImageIDs()); err != nil {
		return nil, nil, err
	}
	return slices.Compact(pulled), missing, nil
}

// pullAgain pulls the image of a service by its digest, if no other service
// had it pulled just now.
func (x *Execution) pullAgain(ctx context.Context, p *project.Project, service, digest string) error {
	alone := p.Alone(service)
	s := alone.Compose.Services[service]
	s.Image, s.PullPolicy = inPlain(digest, p.Images[service].Ref), "missing"
	alone.Compose.Services[service] = s
	_, err := x.Stack.Target.Images(ctx, alone, "missing", x.Log)
	return err
}

// inPlain is a digest with the name that the image has in the compose file:
// what is stored of it is masked, where the name came from a secret.
func inPlain(digest, ref string) string {
	_, sum, found := strings.Cut(digest, "@")
	named, err := reference.ParseNormalizedNamed(ref)
	if !found || err != nil {
		return digest
	}
	return reference.FamiliarName(named) + "@" + sum
}

// again adds what was pulled to a step's message.
func again(pulled []string) string {
	if len(pulled) == 0 {
		return ""
	}
	return "; no longer there, and pulled again: " + strings.Join(pulled, ", ")
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
