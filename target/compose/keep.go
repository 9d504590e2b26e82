package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// MissingImages returns those of ids that are not local.
func (t *Target) MissingImages(ctx context.Context, ids []string) ([]string, error) {
	var missing []string
	for _, id := range ids {
		_, err := t.engine.ImageInspect(ctx, id)
		switch {
		case cerrdefs.IsNotFound(err):
			missing = append(missing, id)
		case err != nil:
			return nil, t.reached(fmt.Errorf("image %s: %w", id, err))
		}
	}
	return missing, nil
}

// KeepImages tags exactly these images of the stack, so that a prune leaves
// them, and takes the tags of its other images away. One that is not local
// cannot be kept and is passed over.
func (t *Target) KeepImages(ctx context.Context, stack string, ids []string) error {
	repository := keepRepository(stack)
	keep := map[string]bool{}
	for _, id := range ids {
		_, hex, _ := strings.Cut(id, ":")
		tag := repository + ":" + hex[:min(24, len(hex))]
		keep[tag] = true
		err := t.engine.ImageTag(ctx, id, tag)
		if err != nil && !cerrdefs.IsNotFound(err) {
			return t.reached(fmt.Errorf("keep image %s: %w", id, err))
		}
	}
	list, err := t.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))})
	if err != nil {
		return t.reached(err)
	}
	for _, item := range list {
		for _, tag := range item.RepoTags {
			if keep[tag] || !strings.HasPrefix(tag, repository+":") {
				continue
			}
			_, err := t.engine.ImageRemove(ctx, tag, image.RemoveOptions{})
			if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) { // a container may use it still
				return t.reached(fmt.Errorf("untag %s: %w", tag, err))
			}
		}
	}
	return t.dropBuilds(ctx, stack, ids)
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// keepRepository is the local repository of a stack's kept images. A name
// that a repository cannot have is told apart from its like by a hash.
func keepRepository(stack string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(stack), "-"), "-")
	if name != stack {
		sum := sha256.Sum256([]byte(stack))
		name = strings.TrimLeft(name+"-"+hex.EncodeToString(sum[:4]), "-")
	}
	return "deployer.local/" + name
}
