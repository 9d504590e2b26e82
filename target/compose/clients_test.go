package compose

import (
	"errors"
	"testing"

	mobyclient "github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"deployer/project"
)

// The first call settles the API's version, which the others read.
func TestFirstCallsMayComeTogether(t *testing.T) {
	r := newRig(t)
	target, err := New(Options{Host: r.host})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	var group errgroup.Group
	for range 8 {
		group.Go(func() error { _, err := target.Containers(t.Context(), r.name); return err })
		group.Go(func() error { return target.Down(t.Context(), r.name) })
		group.Go(func() error { _, err := target.Info(t.Context()); return err })
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestEngineThatIsDownIsKnownByTheErrorOfEitherClient(t *testing.T) {
	target, err := New(Options{Host: "unix://" + t.TempDir() + "/docker.sock"})
	if err != nil {
		t.Fatal(err)
	}
	_, own := target.engine.Ping(t.Context())
	_, library := target.theirs.Ping(t.Context(), mobyclient.PingOptions{})
	for name, err := range map[string]error{"own": own, "library": library} {
		if got := target.reached(err); !errors.Is(got, project.ErrEngineUnreachable) {
			t.Errorf("%s: got %v, want project.ErrEngineUnreachable", name, got)
		}
	}
}
