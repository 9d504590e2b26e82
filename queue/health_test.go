package queue

import (
	"testing"

	"deployer/state"
)

// Two environments of one folder share a project: of the one that does not
// have it, nobody can say how it is, nor that somebody changed what runs.
func TestHealthOfAnEnvironmentThatDoesNotHoldTheProject(t *testing.T) {
	b := newBench(t, "shop", "shop-dev")
	b.stacks[0].Environment, b.stacks[1].Environment = "prod", "dev"
	b.stacks[1].Directory, b.stacks[1].Project, b.stacks[1].Claim = "shop", "shop", "shop"
	b.renew()
	b.serve()
	is := func(stack, health, holder string) {
		t.Helper()
		if got := b.queue.Health(t.Context(), stack); got != health {
			t.Errorf("health of %s is %s, want %s", stack, got, health)
		}
		if got := b.queue.Holder(stack); got != holder {
			t.Errorf("%q holds the project of %s, want %q", got, stack, holder)
		}
	}
	is("shop", "unknown", "")
	files := b.app("shop", "app:1", "environments:\n  prod: {env_file: .env.production}\n  dev: {env_file: .env.dev}\n")
	files["shop/.env.dev"] = b.encrypted("PASSWORD=another")
	b.commit("both", files)
	deploy := func(stack string) {
		t.Helper()
		run, err := b.queue.Deploy(t.Context(), stack, by("ops", ""), state.RunTarget{})
		b.must(err)
		b.ends(run, state.RunSucceeded)
	}
	deploy("shop")
	is("shop", "healthy", "")
	is("shop-dev", "unknown", "")
	deploy("shop-dev")
	is("shop", "unknown", "shop-dev")
	is("shop-dev", "healthy", "")
	deploy("shop")
	is("shop", "healthy", "")
	is("shop-dev", "unknown", "shop")
}
