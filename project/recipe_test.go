package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func kept(t *testing.T) Source {
	src := source(map[string]string{
		"compose.yaml":    "include: [db/compose.yaml]\n" + compose("env_file: [web.env, plain.env]", `volumes: ["./a.conf:/a.conf:ro", "./html:/html", "./data:/data", "./none:/none"]`, "secrets: [s]") + "secrets: {s: {environment: TOP_SECRET}}\n",
		"db/compose.yaml": "services: {db: {image: x, environment: [PASSWORD]}}\n",
		"db/.env":         sealed(t, "PASSWORD=correct-horse\n"),
		"web.env":         sealed(t, "TOKEN=battery-staple-$TOP_SECRET\n"),
		"plain.env":       "A=1\nA=2\n",
		"a.conf":          "a",
		"html/index.html": "x",
		"data/.gitkeep":   "",
	})
	data := sealed(t, "TOP_SECRET=top-secret-value\n")
	var err error
	if src.Env, err = openEnv(".env.production", []byte(data)); err != nil {
		t.Fatal(err)
	}
	return src
}

func TestRecipeResolvesToTheSameProject(t *testing.T) {
	src := kept(t)
	p := mustLoad(t, src)
	recipe := p.Recipe()
	recipe.Add("pipeline.yaml", []byte("verify: []\n"))
	encoded, err := recipe.Encode()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := DecodeRecipe(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := fs.ReadFile(opened, "pipeline.yaml"); err != nil || string(data) != "verify: []\n" {
		t.Errorf("pipeline.yaml %q, %v", data, err)
	}
	src.Tree, src.OpenEnv = opened, opened.OpenEnv
	if src.Env, err = opened.Env(); err != nil {
		t.Fatal(err)
	}
	again := mustLoad(t, src)
	if p.Fingerprint(digest) != again.Fingerprint(digest) {
		t.Errorf("another fingerprint; %+v", Compare(p, again))
	}
	if !slices.Equal(p.Reads, again.Reads) || !slices.Equal(p.Warnings, again.Warnings) {
		t.Errorf("reads %v and %v, warnings %v and %v", p.Reads, again.Reads, p.Warnings, again.Warnings)
	}
	if !again.taint.secret("battery-staple-top-secret-value") {
		t.Error("what is secret is no longer known")
	}
}

// What runs without networks and volumes can be run again too.
func TestRecipeOfContainersWithNothingBesides(t *testing.T) {
	running := &Running{Compose: &types.Project{Name: "shop", Services: types.Services{
		"web": {Name: "web", ContainerSpec: types.ContainerSpec{
			Image: "sha256:" + strings.Repeat("1", 64), NetworkMode: "none", Environment: types.NewMappingWithEquals([]string{"A=$1"}),
		}},
	}}}
	recipe, err := running.Recipe("apps/shop")
	if err != nil {
		t.Fatal(err)
	}
	env, err := recipe.Env()
	if err != nil {
		t.Fatal(err)
	}
	src := source(nil)
	src.Tree, src.Dir, src.Name, src.Env, src.OpenEnv = recipe, "apps/shop", "shop", env, recipe.OpenEnv
	p := mustLoad(t, src)
	web := p.Compose.Services["web"]
	if web.NetworkMode != "none" || len(p.Compose.Networks) != 0 || *web.Environment["A"] != "$1" {
		t.Errorf("it resolves to %+v", web)
	}
}

func TestRecipeShowsNoSecretByAccident(t *testing.T) {
	recipe := mustLoad(t, kept(t)).Recipe()
	marshalled, err := json.Marshal(map[string]any{"recipe": recipe})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(marshalled), fmt.Sprintf("%v %+v %#v %v", recipe, recipe, recipe, *recipe)} {
		for _, secret := range []string{"correct-horse", "battery-staple", "top-secret-value"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s", text, secret)
			}
		}
	}
	if !strings.Contains(string(marshalled), "db/.env") {
		t.Errorf("%s does not name the files", marshalled)
	}
}

func TestDecodeRecipeRefusesDamage(t *testing.T) {
	good, err := mustLoad(t, kept(t)).Recipe().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"empty": "", "half": string(good[:len(good)/2]), "twice": string(good) + "{}", "other version": `{"version":99}`,
		"damaged env": `{"version":1,"env":"e30="}`,
	} {
		if _, err := DecodeRecipe([]byte(data)); err == nil {
			t.Errorf("%s: decoded", name)
		} else if strings.Contains(err.Error(), "correct-horse") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecipeHasNoContentOfMountedFiles(t *testing.T) {
	src := kept(t)
	dir := t.TempDir()
	src.Roots = Roots{Objects: filepath.Join(dir, "o"), Copies: filepath.Join(dir, "c"), Data: filepath.Join(dir, "d"), Secrets: filepath.Join(dir, "s")}
	p := mustLoad(t, src)
	err := Materialise(p.Recipe(), p.Mounts)
	var missing *MissingContentError
	if !errors.As(err, &missing) || missing.Mount.Path != "a.conf" || !errors.Is(err, ErrNoContent) {
		t.Fatalf("error %v", err)
	}
	if err := Materialise(src.Tree, p.Mounts); err != nil {
		t.Fatal(err)
	}
	if err := Materialise(p.Recipe(), p.Mounts); err != nil {
		t.Errorf("with the content on the host: %v", err)
	}
}
