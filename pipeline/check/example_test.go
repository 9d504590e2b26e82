package check

import (
	"context"
	"io/fs"
	"path"
	"testing"

	"deployer/secrets"
	"deployer/state"
)

func TestTheExampleIsFollowed(t *testing.T) {
	all := committedFiles{
		"app/.env.example": "HOST=shop.org\nPASSWORD=CHANGE_ME_IN_PRODUCTION\nMAIL=\n",
		"app/broken":       "what is this\n",
	}.tree()
	world := func(vars ...secrets.Var) *World {
		return &World{
			Dir: "app", Example: ".env.example", Env: environment(vars...),
			ReadFile: func(name string) ([]byte, error) { return fs.ReadFile(all, path.Join("app", name)) },
			OpenEnv: func(ctx context.Context, name string, data []byte) (*secrets.Env, error) {
				return secrets.Keyring{}.Open(ctx, name, data)
			},
		}
	}
	done := []secrets.Var{public("HOST", "shop.org"), secret("PASSWORD", "x9"), public("MAIL", "")}
	want(t, run(t, "{check: example}", world(done...)), state.StepPassed, "all 3 keys of app/.env.example are set")
	want(t, run(t, "{check: example}", world(done[1])), state.StepFailed, "app/.env.example asks for what is not set: HOST, MAIL", "empty where they have no value")

	r := run(t, "{check: example}", world(done[0], secret("PASSWORD", "CHANGE_ME_IN_PRODUCTION")))
	want(t, r, state.StepFailed, "value of your own: PASSWORD", "not set: MAIL")
	never(t, r, "CHANGE_ME_IN")

	want(t, run(t, "{check: example, file: gone}", world()), state.StepFailed, "cannot read env_example app/gone")
	want(t, run(t, "{check: example, file: broken}", world()), state.StepFailed, "app/broken")
	want(t, run(t, "{check: example}", &World{}), state.StepFailed, "no example is named")
	want(t, run(t, "{check: example, file: x}", &World{}), state.StepSkipped)
}
