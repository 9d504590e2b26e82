package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"deployer/internal/enginetest"
	"deployer/project"
)

// buildOf is a build of one Dockerfile, named by its text.
func buildOf(t *testing.T, dockerfile string) *project.Build {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := project.OpenDirTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	var web types.ServiceConfig
	web.Build = &types.BuildConfig{Context: "."}
	p := &project.Project{Compose: &types.Project{Services: types.Services{"web": web}}}
	b, err := p.Build(tree, "web")
	if err != nil {
		t.Fatal(err)
	}
	b.Hash = strings.TrimPrefix(digest([]byte(t.Name()+dockerfile)), "sha256:")
	return b
}

// The image that a build begins with comes from a private registry by the
// credentials that services have, and is told apart from others that cannot be had.
func TestBuildBeginsWithAPrivateImage(t *testing.T) {
	r := newRig(t)
	host := enginetest.Registry(t, "ada", "lovelace")
	ref := host + "/base:1"
	r.pushTo(host, ref, r.image, "ada", "lovelace")
	if _, err := r.engine.ImageRemove(t.Context(), ref, image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.dropBuilds(context.WithoutCancel(t.Context()), r.name, nil) })
	password := "wrong"
	r.auth = func(context.Context, string) (string, string, error) { return "ada", password, nil }
	b := buildOf(t, "ARG TAG=0\nFROM "+host+"/base:$TAG AS one\nFROM one\nCOPY --from=one /testapp /again\n")
	one := "1"
	b.Config.Args = types.MappingWithEquals{"TAG": &one}

	_, _, err := r.Build(t.Context(), r.name, b, nil)
	var failure *ImageError
	if !errors.As(err, &failure) || failure.Reason != ImageDenied || failure.Ref != ref {
		t.Fatalf("got %v, want %q of %s", err, ImageDenied, ref)
	}
	password = "lovelace"
	var log buffer
	b.Config.Pull = true // the Engine would ask for it again, without credentials
	tag, reused, err := r.Build(t.Context(), r.name, b, &log)
	if err != nil || reused || !strings.Contains(log.String(), "web: pulling "+ref) {
		t.Fatalf("%s, %v, %v:\n%s", tag, reused, err, log.String())
	}
	_, _, err = r.Build(t.Context(), r.name, buildOf(t, "FROM "+host+"/base:none\n"), nil)
	if !errors.As(err, &failure) || failure.Reason != ImageMissing {
		t.Errorf("got %v, want %q", err, ImageMissing)
	}
}

// What a build wrote last stands in its error, in plain.
func TestBuildThatFailsSaysWhatItWroteLast(t *testing.T) {
	r := newRig(t)
	var log buffer
	_, _, err := r.Build(t.Context(), r.name, buildOf(t, "FROM "+r.image+"\nRUN [\"/testapp\", \"nothing\"]\n"), &log)
	if err == nil || !strings.Contains(err.Error(), `returned a non-zero code: 2; it wrote last: testapp: unknown command "nothing"`) {
		t.Errorf("got %v", err)
	}
	if strings.Contains(log.String(), "[91m") || !strings.Contains(log.String(), `web: testapp: unknown command "nothing"`) {
		t.Errorf("log: %q", log.String())
	}
}

// A build that fails leaves no image behind; one that it shares steps with
// keeps them, and so does what was made before.
func TestBuildThatFailsLeavesNothing(t *testing.T) {
	r := newRig(t)
	t.Cleanup(func() { _ = r.dropBuilds(context.WithoutCancel(t.Context()), r.name, nil) })
	begin := "FROM " + r.image + "\nLABEL test=" + r.name + "\nENV A=1\n"
	count := func() int {
		t.Helper()
		list, err := r.engine.ImageList(t.Context(), image.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "test="+r.name))})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	fail := func(dockerfile string) {
		t.Helper()
		if _, _, err := r.Build(t.Context(), r.name, buildOf(t, dockerfile), nil); err == nil {
			t.Fatal("it was built")
		}
	}
	const wrong = "RUN [\"/testapp\", \"nothing\"]\n"
	fail(begin + wrong)
	if n := count(); n != 0 {
		t.Fatalf("%d images were left", n)
	}
	tag, _, err := r.Build(t.Context(), r.name, buildOf(t, begin), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := count()
	fail(begin + "ENV B=2\n" + wrong)
	if _, err := r.engine.ImageInspect(t.Context(), tag); err != nil || before == 0 || count() != before {
		t.Errorf("%d images, were %d: %v", count(), before, err)
	}
	// While another build is under way, which may need a step, nothing goes.
	r.builds.begin()
	fail(begin + "ENV B=3\n" + wrong)
	if n := count(); n != before+1 {
		t.Errorf("%d images while another build is under way, want %d", n, before+1)
	}
	r.built(t.Context(), &stepImages{}, false)
	if n := count(); n != before {
		t.Errorf("%d images after the last build, want %d", n, before)
	}
}

func TestOutputOfABuildIsThatOfItsLastStep(t *testing.T) {
	var o output
	for _, text := range []string{"Step 1/2 : RUN a", "\n", " ---> Running in 1", "before\n", "Step 2/2 : RUN b\n", " ---> Running in 2", "one\ntwo\n", "\x1b[91mthree\n\x1b[0m", "Removing intermediate container 2\n"} {
		o.add(text)
	}
	if got := o.end(); got != "; it wrote last: one; two; three" {
		t.Errorf("got %q", got)
	}
	if o.add(strings.Repeat("x", 2*outputBytes)); len(o.end()) > outputBytes+40 {
		t.Errorf("it has %d bytes", len(o.end()))
	}
}
