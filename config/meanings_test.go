package config

import (
	"errors"
	"strings"
	"testing"
)

// What only other rooms understand is judged beside everything else, and only
// where nothing else is wrong with it.
func TestMeaningsAreJudgedWithTheRest(t *testing.T) {
	_, err := Load(server(t, []byte(`
workers: -1
repositories:
  infra: {url: "file:///srv/infra.git", forge: {provider: gitea, api: "https://git.example.com/api/v1", token: hunter22}}
  other: {url: "ftp://example.com/x", forge: {provider: gitea, api: "https://git.example.com/api/v1", token: hunter22}}
  plain: {url: "file:///srv/plain.git"}
stacks:
  shop: {repository: infra}
notify: ["slakc://hunter22", "no URL", "slack://good"]
`)), Meanings{
		Notify: func(url string) error {
			if strings.HasPrefix(url, "slakc:") {
				return errors.New("unknown service")
			}
			return nil
		},
		Forge: func(r *Repository) error { return errors.New(r.Name + " has no name there") },
	})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("Load = %v", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Path+": "+p.Message)
	}
	want := []string{
		"workers: -1 is not between 1 and 128",
		"repositories.infra.forge: infra has no name there",
		"repositories.other.url: ",
		"notify[0]: unknown service",
		"notify[1]: this is not a URL",
	}
	for i, w := range want {
		if len(got) != len(want) || !strings.HasPrefix(got[i], w) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
