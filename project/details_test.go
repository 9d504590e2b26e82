package project

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestDetailSaysWhatAReviewerLooksFor(t *testing.T) {
	for name, test := range map[string]struct {
		old, next       map[string]string
		oldEnv, nextEnv []string
		want            []string
	}{
		"nothing":       {old: files("compose.yaml", compose()), next: files("compose.yaml", compose())},
		"image":         {old: files("compose.yaml", compose()), next: files("compose.yaml", strings.Replace(compose(), "1.27", "1.28", 1)), want: []string{"image web nginx:1.27 nginx:1.28"}},
		"opened port":   {old: files("compose.yaml", compose()), next: files("compose.yaml", compose(`ports: ["127.0.0.1:80:8080", "9"]`)), want: []string{"opened web 127.0.0.1:80:8080"}},
		"closed port":   {old: files("compose.yaml", compose(`ports: ["53:53/udp"]`)), next: files("compose.yaml", compose(`ports: ["54:53/udp"]`)), want: []string{"opened web 54:53/udp", "closed web 53:53/udp"}},
		"moved volume":  {old: files("compose.yaml", compose(`volumes: ["one:/data"]`)+"volumes: {one: {}}\n"), next: files("compose.yaml", compose(`volumes: ["two:/data"]`)+"volumes: {two: {}}\n"), want: []string{"moved service web mounts two at /data instead; the data does not follow"}},
		"no volume":     {old: files("compose.yaml", compose(`volumes: ["one:/data"]`)+"volumes: {one: {}}\n"), next: files("compose.yaml", compose()), want: []string{"moved service web mounts nothing at /data any more"}},
		"variables":     {old: files("compose.yaml", compose("environment: {A: 1, B: 2}")), next: files("compose.yaml", compose("environment: {A: 2, C: 3}")), want: []string{"passed web B removed", "passed web C added"}},
		"public values": {oldEnv: []string{"HOST=a", "GONE=1"}, nextEnv: []string{"HOST=b", "NEW=2"}, want: []string{"value GONE removed false \"1\" \"\"", "value HOST changed false \"a\" \"b\"", "value NEW added false \"\" \"2\""}},
		"secret values": {oldEnv: []string{"A!=secret-one", "B!=x"}, nextEnv: []string{"A!=secret-two", "C!=y"}, want: []string{"value A changed true \"\" \"\"", "value B removed true \"\" \"\"", "value C added true \"\" \"\""}},
		"once secret":   {oldEnv: []string{"A!=was-secret"}, nextEnv: []string{"A=was-secret-not"}, want: []string{"value A changed true \"\" \"\""}},
		"holds one":     {oldEnv: []string{"P!=longsecret"}, nextEnv: []string{"P!=longsecret", "U=db://longsecret@h"}, want: []string{"value U added false \"\" \"\""}},
		"mounted file":  {old: files("compose.yaml", compose(`volumes: ["./a:/a:ro"]`), "a", "1"), next: files("compose.yaml", compose(`volumes: ["./a:/a:ro"]`), "a", "2"), want: []string{"file ./a changed [web]"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.old == nil {
				test.old, test.next = files("compose.yaml", compose()), files("compose.yaml", compose())
			}
			got := lines(Detail(mustLoad(t, source(test.old, test.oldEnv...)), mustLoad(t, source(test.next, test.nextEnv...))))
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
	first := lines(Detail(nil, mustLoad(t, source(files("compose.yaml", compose(`ports: ["80:80"]`)), "A=1"))))
	if len(first) != 3 {
		t.Errorf("of the first release: %q", first)
	}
}

// What was adopted is the containers' own words: the same things by other
// names are no difference, and no value of a variable is shown.
func TestDetailOfWhatWasAdopted(t *testing.T) {
	value := "sesame-opens"
	running := &Running{Compose: &types.Project{Name: "shop", Services: types.Services{
		"web": {Name: "web", ContainerSpec: types.ContainerSpec{
			Image: "sha256:1", Environment: types.MappingWithEquals{"PLAIN": &value, "PATH": &value},
			Networks: map[string]*types.ServiceNetworkConfig{"proxy_net": nil},
			Volumes:  []types.ServiceVolumeConfig{{Type: "volume", Source: "data", Target: "/d"}, {Type: "volume", Source: "hand_made", Target: "/h"}},
		}},
	}, Networks: types.Networks{"proxy_net": {Name: "proxy_net", External: true}}, Volumes: types.Volumes{
		"data": {Name: "shop_data", External: true}, "hand_made": {Name: "hand_made", External: true},
	}}, Images: map[string]string{"web": "sha256:1"}}
	recipe, err := running.Recipe(".")
	if err != nil {
		t.Fatal(err)
	}
	src := source(nil)
	src.Tree, src.OpenEnv = recipe, recipe.OpenEnv
	if src.Env, err = recipe.Env(); err != nil {
		t.Fatal(err)
	}
	adopted := mustLoad(t, src)
	adopted.PinImages(map[string]Image{"web": {Ref: "sha256:1", ID: "sha256:1"}})
	text := compose("environment: {PLAIN: \"${PLAIN}\"}", "networks: [out]", `volumes: ["data:/d", "hand:/h"]`) +
		"networks: {out: {external: true, name: proxy_net}}\nvolumes: {data: {}, hand: {external: true, name: hand_made}}\n"
	next := mustLoad(t, source(files("compose.yaml", text), "PLAIN="+value))
	next.PinImages(map[string]Image{"web": {Ref: "nginx:1.27", ID: "sha256:1"}})
	if got := strings.Join(lines(Detail(adopted, next)), "\n"); got != `value PLAIN added false "" "`+value+`"` {
		t.Errorf("got\n%s", got)
	}
	d := Compare(adopted, next)
	d.Services = nil
	if !d.Empty() {
		t.Errorf("got %+v", d)
	}
	// Other data, and another image, are.
	text = strings.NewReplacer("name: hand_made", "name: other", "data: {}", "data: {name: elsewhere}").Replace(text)
	other := mustLoad(t, source(files("compose.yaml", text)))
	other.PinImages(map[string]Image{"web": {Ref: "nginx:1.27", ID: "sha256:2"}})
	got := strings.Join(lines(Detail(adopted, other)), "\n")
	for _, want := range []string{"image web sha256:1 nginx:1.27", "mounts hand at /h instead"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if changed := Compare(adopted, other).VolumesChanged; !slices.Equal(changed, []string{"data"}) {
		t.Errorf("changed volumes: %q", changed)
	}
	if strings.Contains(got, value) {
		t.Errorf("a value is in\n%s", got)
	}
}

// lines are the details as a list.
func lines(d Details) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, i := range d.Images {
		add("image %s %s %s", i.Service, i.Old.Ref, i.New.Ref)
	}
	for _, p := range d.Opened {
		add("opened %s %s", p.Service, p.Port)
	}
	for _, p := range d.Closed {
		add("closed %s %s", p.Service, p.Port)
	}
	for _, m := range d.Moved {
		add("moved %s", m)
	}
	for _, p := range d.Passed {
		add("passed %s %s %s", p.Service, p.Name, p.Action)
	}
	for _, v := range d.Values {
		add("value %s %s %t %q %q", v.Name, v.Action, v.Secret, v.Old, v.New)
	}
	for _, f := range d.Files {
		add("file %s %s %v", f.Path, f.Action, f.Services)
	}
	return out
}

// Whoever asks an Engine what it has must not have it pulled.
func TestAloneNeverPulls(t *testing.T) {
	p := mustLoad(t, source(files("compose.yaml", compose("pull_policy: always"))))
	alone := p.Alone("web").Compose.Services["web"]
	if alone.PullPolicy != "never" || p.Compose.Services["web"].PullPolicy != "always" {
		t.Errorf("alone %q, of the project %q", alone.PullPolicy, p.Compose.Services["web"].PullPolicy)
	}
}
