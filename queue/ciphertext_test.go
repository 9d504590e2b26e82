package queue

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/project"
	"deployer/state"
)

// A builder is a target that builds too.
type builder struct{ *fakeTarget }

func (builder) BuildTag(stack string, b *project.Build) string { return stack + ":" + b.Hash[:12] }

func (t builder) Build(_ context.Context, stack string, b *project.Build, _ io.Writer) (string, bool, error) {
	return t.BuildTag(stack, b), false, nil
}

// Ciphertext that an image would be made of is told by a plan, a review and
// preflight alike: refused where the Dockerfile names it, else warned of.
func TestCiphertextThatABuildCopiesIsTold(t *testing.T) {
	b := newBench(t)
	b.stacks[0].Provider, b.stacks[0].Target = "gitea", builder{b.target}
	b.serve()
	built := func(dockerfile string) gittest.Files {
		return and(b.app("shop", "web:1", "deploy: {build: true}\n"), gittest.Files{
			"shop/compose.yaml": gittest.Text("services:\n  db: {build: {context: ., dockerfile: Other}}\n  web: {build: .}\n"),
			"shop/Dockerfile":   gittest.Text(dockerfile),
			"shop/Other":        gittest.Text("FROM x\n"), // of the same context
			"shop/tls.key":      b.sealedFile("tls.key", canary),
		})
	}
	mustWarn := func(where string, steps []state.Step, warns bool) {
		t.Helper()
		got := slices.DeleteFunc(slices.Clone(steps), func(s state.Step) bool { return s.Name != "build" || s.Status != state.StepWarned })
		switch {
		case !warns && len(got) > 0:
			t.Errorf("nothing is copied, and %s warns %+v", where, got)
		case warns && (len(got) != 1 || !strings.Contains(got[0].Message, "service web: line 2 of Dockerfile copies ./tls.key") || !strings.Contains(got[0].Hint, ".dockerignore")):
			t.Errorf("%s warns %+v", where, got)
		}
	}
	b.deployed("one", b.app("shop", "web:1", ""))
	for _, tt := range []struct {
		dockerfile     string
		warns, refused bool
	}{
		{"FROM x\nCOPY . /\n", true, false},
		{"FROM x\nCOPY tls.key /\n", false, true},
		{"FROM x\nCOPY Dockerfile /\n", false, false},
	} {
		event := b.pull(state.PullOpened, b.proposed(built(tt.dockerfile)))
		if tt.refused {
			review := b.ends(b.reviewed(event), state.RunFailed)
			b.says(review.Error+review.Hint, "line 2 of Dockerfile copies ./tls.key", "in plain, from memory")
			before := b.target.applies
			run := b.ends(b.push("refused", built(tt.dockerfile)), state.RunFailed)
			b.says(b.story(run), "line 2 of Dockerfile copies ./tls.key", "in plain, from memory")
			if b.target.applies != before {
				t.Error("it was deployed")
			}
			continue
		}
		review := b.ends(b.reviewed(event), state.RunSucceeded)
		run := b.ends(b.push("built", built(tt.dockerfile)), state.RunSucceeded)
		plan, err := b.queue.Plan(t.Context(), "shop", "")
		b.must(err)
		mustWarn("a review", review.Changes.Checks, tt.warns)
		mustWarn("preflight", run.Stage(state.StagePreflight).Steps, tt.warns)
		mustWarn("a plan", plan.Checks, tt.warns)
	}
}
