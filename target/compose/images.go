package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/compose/v5/pkg/api"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"deployer/project"
)

const parallelPulls = 4

// Images resolves the image of every service to one that is local. The
// service's own pull_policy wins over policy: missing, always or never.
// Progress goes to log. Images that cannot be had are joined *ImageErrors.
func (t *Target) Images(ctx context.Context, p *project.Project, policy string, log io.Writer) (map[string]project.Image, error) {
	if err := supported(p); err != nil {
		return nil, err
	}
	requests := requestsOf(p.Compose, policy)
	out := newLines(log)
	group := errgroup.Group{}
	group.SetLimit(parallelPulls)
	images := make([]project.Image, len(requests))
	failed := make([]error, len(requests))
	for i, r := range requests {
		group.Go(func() error {
			images[i], failed[i] = t.provide(ctx, r, out)
			return nil
		})
	}
	_ = group.Wait()
	for _, err := range failed {
		if errors.Is(err, project.ErrEngineUnreachable) {
			return nil, err // it is the same for all
		}
	}
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if len(failed) > 0 {
		return nil, imageErrors(failed)
	}
	resolved := map[string]project.Image{}
	for i, r := range requests {
		for _, service := range r.services {
			if !r.hook {
				resolved[service] = images[i]
			}
		}
	}
	return resolved, nil
}

// A request is one image as one or more services want it.
type request struct {
	ref      string
	platform string
	policy   string
	maxAge   time.Duration // for the policy refresh
	hook     bool          // it is a lifecycle hook's, not the service's own
	services []string
}

// requestsOf collects what the services want, sorted and each image once.
func requestsOf(p *types.Project, policy string) []request {
	all := map[string]*request{}
	add := func(service string, r request) {
		key := fmt.Sprint(r.ref, "\x00", r.platform, "\x00", r.policy, "\x00", r.maxAge, "\x00", r.hook)
		if all[key] == nil {
			all[key] = &r
		}
		all[key].services = append(all[key].services, service)
	}
	for _, name := range p.ServiceNames() {
		s := p.Services[name]
		r := request{ref: s.Image, platform: s.Platform, policy: policy}
		if own, age, err := s.GetPullPolicy(); err == nil && s.PullPolicy != "" {
			r.policy, r.maxAge = own, age
		}
		add(name, r)
		for _, ref := range api.GetDependentImages(s, p.Name) {
			r.ref, r.hook = ref, true
			add(name, r)
		}
	}
	requests := make([]request, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		requests = append(requests, *all[key])
	}
	return requests
}

// provide makes one image local, if the policy wants it pulled or it is not there.
func (t *Target) provide(ctx context.Context, r request, log *lines) (project.Image, error) {
	local, err := t.local(ctx, r)
	if err != nil {
		return project.Image{}, err
	}
	pull := r.policy == types.PullPolicyAlways || local.ID == "" && r.policy != types.PullPolicyNever
	if r.policy == types.PullPolicyRefresh && local.ID != "" {
		pull = t.clock().Sub(local.tagged) > r.maxAge
	}
	if strings.HasPrefix(r.ref, "sha256:") {
		pull = false // an ID names no registry
	}
	if pull {
		log.printf("%s: pulling %s", strings.Join(r.services, ", "), r.ref)
		if err := t.pull(ctx, r, log); err != nil {
			return project.Image{}, err
		}
		if local, err = t.local(ctx, r); err != nil {
			return project.Image{}, err
		}
	}
	if local.ID == "" {
		failure := &ImageError{Services: r.services, Ref: r.ref, Reason: ImageMissing, platform: r.platform}
		if pull {
			failure.Err = errors.New("it was pulled, and is not on the Engine")
		}
		return project.Image{}, failure
	}
	if err := t.checkPlatform(ctx, r, local.platform); err != nil {
		return project.Image{}, err
	}
	return project.Image{Ref: r.ref, ID: local.ID, Digest: local.digest, Pulled: pull, Platform: local.platform}, nil
}

// checkPlatform refuses an image that is made for another processor, where the
// service does not ask for that one: the Engine pulls such an image as long as
// it is the only one of its name, and then no program in it starts.
func (t *Target) checkPlatform(ctx context.Context, r request, image string) error {
	_, arch, _ := strings.Cut(image, "/")
	arch, _, _ = strings.Cut(arch, "/")
	if r.platform != "" || arch == "" || arch == runtime.GOARCH {
		return nil
	}
	engine, err := t.engine.ServerVersion(ctx)
	if err != nil {
		return t.reached(err)
	}
	if arch == engine.Arch || arch == "386" && engine.Arch == "amd64" || arch == "arm" && engine.Arch == "arm64" {
		return nil
	}
	return &ImageError{
		Services: r.services, Ref: r.ref, Reason: ImagePlatform,
		Err: fmt.Errorf("it is for %s, and the Engine is %s/%s", image, engine.Os, engine.Arch),
	}
}

type localImage struct {
	ID       string
	digest   string
	platform string
	tagged   time.Time
}

// local looks an image up on the Engine; no ID where it is not there, or only
// for another platform.
func (t *Target) local(ctx context.Context, r request) (localImage, error) {
	image, err := t.engine.ImageInspect(ctx, r.ref)
	if cerrdefs.IsNotFound(err) {
		return localImage{}, nil
	}
	if err != nil {
		return localImage{}, t.reached(fmt.Errorf("image %s: %w", r.ref, err))
	}
	if r.platform != "" && !satisfies(ocispec.Platform{OS: image.Os, Architecture: image.Architecture, Variant: image.Variant}, r.platform) {
		return localImage{}, nil
	}
	platform := path.Join(image.Os, image.Architecture, image.Variant)
	return localImage{ID: image.ID, digest: digestOf(r.ref, image.RepoDigests), platform: platform, tagged: image.Metadata.LastTagTime}, nil
}

// digestOf picks the digest under which the repository of ref knows the image.
func digestOf(ref string, digests []string) string {
	name, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	for _, digest := range digests {
		if known, err := reference.ParseNormalizedNamed(digest); err == nil && known.Name() == name.Name() {
			return digest
		}
	}
	return ""
}
