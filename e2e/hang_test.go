package e2e

import (
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// An Engine that takes a request and never answers holds a run up to the
// deadline, and not for ever: then the run goes back.
func TestEngineThatHangs(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	p.Stop()
	p.standBeforeTheEngine()
	p.Start()
	good, run := p.Push("good", slowService(image, "one", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)

	defer p.proxy.hang("POST /containers/ID/stop")()
	_, id := p.Begin("next", and(slowService(image, "two", ""), gittest.Files{"pipeline.yaml": gittest.Text("deploy: {timeout: 3s}\n")}))
	run = p.Wait(id)
	producttest.MustEnd(t, run, state.RunRolledBack)
	if !strings.Contains(run.Error, "deadline") || run.RolledBackTo != good {
		t.Errorf("rolled back to %s because %q", run.RolledBackTo, run.Error)
	}
	p.mustBeWhole("one")
}
