package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// example is the commented deployer.yaml that users start from, with
// /etc/deployer moved to a folder that has the files it names.
func example(t *testing.T) (text, etc string) {
	t.Helper()
	raw, err := os.ReadFile("../deployer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	etc = t.TempDir()
	for _, name := range regexp.MustCompile(`/etc/deployer/([\w.-]+)`).FindAllStringSubmatch(string(raw), -1) {
		if err := os.WriteFile(filepath.Join(etc, name[1]), []byte("https://hooks.example.com/content\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(string(raw), "/etc/deployer", etc), etc
}

func loadText(t *testing.T, dir, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(dir, "deployer.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, Meanings{})
}

func TestTheExampleLoads(t *testing.T) {
	text, etc := example(t)
	c, err := loadText(t, etc, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Stacks) == 0 || len(c.Warnings) > 0 {
		t.Errorf("stacks %v, warnings %v", c.Stacks, c.Warnings)
	}
}

// What the example marks as not in this version has the right shape and is
// refused by name, and nothing else is.
func TestWhatTheExampleCommentsOutIsRefusedByName(t *testing.T) {
	text, etc := example(t)
	text = regexp.MustCompile(`(?m)^( *)#(\S| {2,})`).ReplaceAllString(text, "$1$2")
	_, err := loadText(t, etc, text)
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("Load = %v, want Problems", err)
	}
	var got []string
	for _, p := range problems {
		if !strings.HasPrefix(p.Message, "not supported by this version yet: ") {
			t.Errorf("not expected: %v", p)
		}
		got = append(got, p.Path)
	}
	want := []string{
		"oidc",
		"stacks.swarmed.target.swarm", "stacks.everywhere.target.hosts",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTheExampleExplainsEveryKey(t *testing.T) {
	text, _ := example(t)
	for key := range keysBelow(reflect.TypeFor[Config]()) {
		if !regexp.MustCompile(`(?m)(^[# ]*(- )?|[{,] ?)` + key + `(_file|_env)?:`).MatchString(text) {
			t.Errorf("the example says nothing about %s", key)
		}
	}
}

// keysBelow collects the tags of a struct and of everything in it.
func keysBelow(typ reflect.Type) map[string]bool {
	keys := map[string]bool{}
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		return keysBelow(typ.Elem())
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			tag := f.Tag.Get("yaml")
			if tag == "" || tag == "-" {
				continue
			}
			keys[tag] = true
			for key := range keysBelow(f.Type) {
				keys[key] = true
			}
		}
	}
	return keys
}
