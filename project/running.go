package project

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/secrets"
)

// NotOurs begins the reason why a container that deployer has not made, and
// that would not be as it is wanted, is recreated.
const NotOurs = "not made by deployer, and it differs: "

// adoptedEnv is the path of the env of a recipe that was made of containers.
// No commit has a file of that name.
const adoptedEnv = ".deployer/adopted.env"

// Running is a project as its containers on the Engine say.
type Running struct {
	Compose *types.Project    // images by ID, volumes and networks as they are there
	Images  map[string]string // service → image ID
}

// Recipe returns what resolves to the project for a stack whose folder in its
// repository is dir. The values of all variables are kept apart from the
// compose file and are never shown; those whose name says that they are secret
// are masked wherever text is written.
func (r *Running) Recipe(dir string) (*Recipe, error) {
	raw, err := json.Marshal(r.Compose)
	if err != nil {
		return nil, fmt.Errorf("describe the containers: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("describe the containers: %w", err)
	}
	var vars []secrets.Var
	services, _ := tree["services"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		service, _ := services[name].(map[string]any)
		environment, _ := service["environment"].(map[string]any)
		delete(service, "environment")
		services[name] = literal(service)
		for _, variable := range slices.Sorted(maps.Keys(environment)) {
			value, _ := environment[variable].(string)
			v := secrets.Var{Name: fmt.Sprintf("ADOPTED_%d", len(vars)+1), Value: secrets.NewValue(value), Secret: telling(variable, value)}
			vars = append(vars, v)
			environment[variable] = "${" + v.Name + "}"
		}
		if environment != nil {
			services[name].(map[string]any)["environment"] = environment
		}
	}
	for _, key := range []string{"networks", "volumes"} {
		if tree[key] != nil { // a project may have none
			tree[key] = literal(tree[key])
		} else {
			delete(tree, key)
		}
	}
	compose, err := json.MarshalIndent(tree, "", "  ") // which is YAML too
	if err != nil {
		return nil, fmt.Errorf("describe the containers: %w", err)
	}
	recipe := &Recipe{files: map[string][]byte{}, entries: map[string]entry{}, envs: map[string]secrets.Document{}}
	recipe.Add(path.Join(dir, defaultFiles[0]), compose)
	env := secrets.NewEnv(adoptedEnv, true, vars).Document()
	recipe.env = &env
	return recipe, nil
}

// adopted reports whether the project was made of containers.
func (p *Project) adopted() bool { return p.Env != nil && p.Env.Path() == adoptedEnv }

// literal keeps interpolation from what is meant as it is.
func literal(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case []any:
		for i := range v {
			v[i] = literal(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = literal(v[key])
		}
	}
	return v
}

// telling reports whether a variable is to be taken for a secret: nobody has
// said so of one that was set by hand.
func telling(name, value string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"PASS", "SECRET", "TOKEN", "KEY", "CRED", "AUTH", "PRIVATE", "SALT", "DSN", "PWD", "COOKIE", "HASH", "CERT"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	_, rest, url := strings.Cut(value, "://")
	return url && strings.Contains(rest, "@")
}
