package compose

import (
	"context"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
)

// provideBases pulls the images that a build begins with, as the images of
// services are: with the credentials for their registries, which the Engine's
// builder would not have, and with the same errors. It reports whether it
// could tell which they are; where not, the builder says what it misses.
func (t *Target) provideBases(ctx context.Context, b *project.Build, log *lines) (told bool, err error) {
	bases, ok := b.Bases()
	if !ok {
		return false, nil
	}
	r := request{policy: types.PullPolicyMissing, services: []string{b.Service}}
	if b.Config.Pull {
		r.policy = types.PullPolicyAlways
	}
	for _, from := range bases {
		r.ref, r.platform = from.Ref, from.Platform
		if r.platform == "" && len(b.Config.Platforms) == 1 {
			r.platform = b.Config.Platforms[0]
		}
		if _, err := t.provide(ctx, r, log); err != nil {
			return true, err
		}
	}
	return true, nil
}
