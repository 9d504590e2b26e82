package compose

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"deployer/internal/enginetest"
)

func TestKeepImagesTagsExactlyThese(t *testing.T) {
	r := newRig(t)
	stack := "Kept " + r.name
	first, second := enginetest.ID(t, r.engine, r.image), enginetest.ID(t, r.engine, enginetest.Image(t, r.engine))
	tags := func() []string {
		t.Helper()
		list, err := r.engine.ImageList(t.Context(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", keepRepository(stack)))})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, item := range list {
			ids = append(ids, item.ID)
		}
		slices.Sort(ids)
		return ids
	}
	both := []string{first, second}
	slices.Sort(both)
	missing := "sha256:" + strings.Repeat("0", 64)
	if err := r.KeepImages(t.Context(), stack, append(both, missing)); err != nil {
		t.Fatal(err)
	}
	if got := tags(); !slices.Equal(got, both) {
		t.Errorf("kept %v, want %v", got, both)
	}
	if err := r.KeepImages(t.Context(), stack, []string{second}); err != nil {
		t.Fatal(err)
	}
	if got := tags(); !slices.Equal(got, []string{second}) {
		t.Errorf("kept %v, want %s alone", got, second)
	}
	if err := r.KeepImages(t.Context(), stack, nil); err != nil {
		t.Fatal(err)
	}
}

func TestKeepRepositoryIsUniqueAndValid(t *testing.T) {
	seen := map[string]string{}
	for _, stack := range []string{"registry", "Registry", "apps/web", "apps-web", "--", "été"} {
		name := keepRepository(stack)
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q are both kept in %s", stack, other, name)
		}
		seen[name] = stack
		if strings.ToLower(name) != name || strings.HasSuffix(name, "-") || strings.Contains(name, "/-") {
			t.Errorf("%q is kept in %q", stack, name)
		}
	}
}
