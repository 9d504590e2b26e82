package check

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/state"
)

func TestPlaceholderValues(t *testing.T) {
	for value, found := range map[string]bool{
		"CHANGE_ME_IN_PRODUCTION":           true,
		"CHANGEME":                          true,
		"changeme":                          true,
		"change-me!":                        true,
		"PASSWORD_CHANGE_ME":                true,
		"postgres://u:CHANGE_ME@db/x":       true,
		"postgres://u:<password>@db/x":      true,
		"TODO":                              true,
		"FIXME: later":                      true,
		"XXX":                               true,
		"xxXXXXxx":                          false,
		"<your domain>":                     true,
		"YOUR_TOKEN":                        true,
		"your_password":                     true,
		"admin@example.com":                 false,
		"un changement":                     false,
		"mastodon":                          false,
		"aGVsTODObG8=":                      false,
		"ab/TODO/cd":                        false,
		"<b>hello</b>":                      false,
		"a < b > c":                         false,
		"Host(`registry.example.com`)":      false,
		"honour_and_labour":                 false,
		"$2y$05$CCCCCCCCCCCCCCCCCCCCC.XXXE": false,
		"":                                  false,
	} {
		status := state.StepPassed
		if found {
			status = state.StepFailed
		}
		r := run(t, "{check: placeholders}", &World{Env: environment(secret("KEY", value))})
		if r.Status != status {
			t.Errorf("%q: %s", value, r.Status)
		}
	}
}

func TestPlaceholdersAreNamedNotShown(t *testing.T) {
	value, other := "CHANGE_ME_x9", "TODO"
	w := &World{
		Env: environment(secret("DB_PASSWORD", value), public("SKIP", "FIXME")),
		Project: projectOf(types.ServiceConfig{
			Name: "web",
			ContainerSpec: types.ContainerSpec{
				Environment: types.MappingWithEquals{"PASSWORD": &value, "MAIL": &other},
				Labels:      types.Labels{"note": "FIXME"},
			},
		}),
	}
	r := run(t, "{check: placeholders}", w)
	want(t, r, state.StepFailed, "placeholders were left in DB_PASSWORD, SKIP, services.web.environment.MAIL")
	never(t, r, "x9")
	never(t, r, "PASSWORD,services")
	want(t, run(t, "{check: placeholders, ignore: [DB_PASSWORD, SKIP, MAIL]}", w), state.StepPassed, "no placeholder in")
	want(t, run(t, "{check: placeholders, ignore: [DB_PASSWORD, SKIP, MAIL], patterns: ['^shop$']}", w), state.StepFailed, "left in name")
}
