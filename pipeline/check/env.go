package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"deployer/project"
	"deployer/secrets"
)

// envCheck judges the decrypted env file. What is true of every env file is
// looked at always; the fields say what this one must hold.
type envCheck struct {
	Required []text             `check:"required"`
	NotEmpty []text             `check:"not_empty"`
	Empty    []text             `check:"empty"`
	Equals   map[string]text    `check:"equals"`
	OneOf    map[string][]text  `check:"one_of"`
	Matches  map[string]pattern `check:"matches"`
}

func newEnv() Check { return &envCheck{} }

func (c *envCheck) Run(_ context.Context, w *World) Result {
	env := w.Env
	if env == nil {
		env = secrets.NewEnv("", false, nil)
	}
	var r report
	if w.Project != nil {
		undefinedVariables(&r, w.Project.Undefined, env)
	}
	c.demands(&r, env)
	changedValues(&r, env)
	if env.Path() != "" && !env.Encrypted() {
		r.warn(env.Path()+" is committed unencrypted, so all its values are public",
			"encrypt it: deployer secrets encrypt "+env.Path())
	}
	return r.result(summary(env))
}

func undefinedVariables(r *report, undefined []project.Undefined, env *secrets.Env) {
	if len(undefined) == 0 {
		return
	}
	names := make([]string, len(undefined))
	for i, u := range undefined {
		names[i] = fmt.Sprintf("%s (%s)", u.Name, u.File)
	}
	where := env.Path()
	if where == "" {
		where = "an env file"
	}
	r.fail("the compose files use variables that nothing defines: "+strings.Join(names, ", "),
		"set them in "+where+", or give them a default: ${NAME:-default}")
}

func changedValues(r *report, env *secrets.Env) {
	var names []string
	for _, v := range env.Vars() {
		if v.Changed {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		r.warn("Compose reads another value than the one written for "+strings.Join(names, ", "),
			"put the value in single quotes, so that $, # and quotes in it stay as they are")
	}
}

// demands compares env with the fields. Values of secret variables are not shown.
func (c *envCheck) demands(r *report, env *secrets.Env) {
	unset := func(name text, allowEmpty bool) bool {
		v, ok := env.Lookup(name.plain)
		return !ok || !allowEmpty && v.Value.Empty()
	}
	const set = "set it in the env file"
	for _, name := range c.Required {
		if unset(name, true) {
			r.fail(name.String()+" is not defined", set)
		}
	}
	for _, name := range c.NotEmpty {
		if unset(name, false) {
			r.fail(name.String()+" is not defined or empty", set)
		}
	}
	for _, name := range c.Empty {
		if !unset(name, false) {
			r.fail(name.String()+" must be empty", "remove its value from the env file")
		}
	}
	for _, name := range sortedKeys(c.Equals) {
		c.compare(r, env, name, fmt.Sprintf("want %q", c.Equals[name]), func(s string) bool { return s == c.Equals[name].plain })
	}
	for _, name := range sortedKeys(c.OneOf) {
		c.compare(r, env, name, fmt.Sprintf("want one of %q", c.OneOf[name]), func(s string) bool {
			return slices.ContainsFunc(c.OneOf[name], func(t text) bool { return t.plain == s })
		})
	}
	for _, name := range sortedKeys(c.Matches) {
		c.compare(r, env, name, fmt.Sprintf("want a match of %q", c.Matches[name]), c.Matches[name].MatchString)
	}
}

func (c *envCheck) compare(r *report, env *secrets.Env, name, want string, good func(string) bool) {
	v, ok := env.Lookup(name)
	switch {
	case !ok:
		r.fail(name+" is not defined, "+want, "set it in the env file")
	case good(v.Value.Reveal()):
	case v.Secret:
		r.fail(name+" has another value than wanted (it is secret)", "correct it in the env file")
	default:
		r.fail(fmt.Sprintf("%s is %q, %s", name, v.Value.Reveal(), want), "correct it in the env file")
	}
}

// summary counts the variables, and names the secrets that cannot be masked.
func summary(env *secrets.Env) string {
	secret := 0
	for _, v := range env.Vars() {
		if v.Secret {
			secret++
		}
	}
	s := fmt.Sprintf("%d variables, %d of them secret", len(env.Vars()), secret)
	if short := secrets.TooShort(env); len(short) > 0 {
		s += "; too short to be masked in logs: " + strings.Join(short, ", ")
	}
	return s
}
