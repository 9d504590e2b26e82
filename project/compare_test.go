package project

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompareSaysWhy(t *testing.T) {
	base := compose("command: run") + "volumes: {data: {}}\n"
	for name, test := range map[string]struct {
		old, next map[string]string // files besides, or instead of, the base
		oldEnv    []string
		nextEnv   []string
		want      string
	}{
		"nothing":            {want: ""},
		"image":              {next: files("compose.yaml", strings.Replace(base, "1.27", "1.28", 1)), want: "image nginx:1.27 → nginx:1.28"},
		"command":            {next: files("compose.yaml", strings.Replace(base, "run", "stop", 1)), want: "command"},
		"ports":              {next: files("compose.yaml", compose("command: run", `ports: ["127.0.0.1:80:8080", "53:53/udp"]`)), want: "ports: none → 127.0.0.1:80:8080, 53:53/udp"},
		"labels":             {next: files("compose.yaml", compose("command: run", "labels: {a: b}")), want: "labels: a added"},
		"health check":       {next: files("compose.yaml", compose("command: run", "healthcheck: {test: [CMD, x]}")), want: "healthcheck"},
		"networks":           {next: files("compose.yaml", compose("command: run", "networks: [n]")+"networks: {n: {}}\n"), want: "networks"},
		"scale":              {next: files("compose.yaml", compose("command: run", "deploy: {replicas: 3}")), want: "scale 1 → 3"},
		"mounted file":       {old: files("compose.yaml", compose(`volumes: ["./a:/a:ro"]`), "a", "1"), next: files("compose.yaml", compose(`volumes: ["./a:/a:ro"]`), "a", "2"), want: "mounts: ./a"},
		"mounts":             {old: files("compose.yaml", compose(`volumes: ["./a:/a:ro"]`), "a", "1"), next: files("compose.yaml", compose(`volumes: ["data:/b"]`)+"volumes: {data: {}}\n"), want: "mounts: ./a removed, data:/b added"},
		"volume for a path":  {old: files("compose.yaml", compose(`volumes: ["./a:/a:ro"]`), "a", "1"), next: files("compose.yaml", compose(`volumes: ["data:/a"]`)+"volumes: {data: {}}\n"), want: "mounts: ./a → data:/a"},
		"public environment": {old: files("compose.yaml", compose("environment: {HOST: \"${HOST}\", OLD: 1}")), next: files("compose.yaml", compose("environment: {HOST: \"${HOST}\", NEW: 2}")), oldEnv: []string{"HOST=a"}, nextEnv: []string{"HOST=b"}, want: "environment: HOST a → b, NEW added, OLD removed"},
		"secret environment": {old: files("compose.yaml", compose(`environment: ["URL=db://u:${PW}@h"]`)), next: files("compose.yaml", compose(`environment: ["URL=db://u:${PW}@h"]`)), oldEnv: []string{"PW!=abc"}, nextEnv: []string{"PW!=xyz"}, want: "environment: URL changed"},
		"was public before":  {old: files("compose.yaml", compose("environment: [PW]")), next: files("compose.yaml", compose("environment: [PW]")), oldEnv: []string{"PW=hunter2hunter2"}, nextEnv: []string{"PW!=other"}, want: "environment: PW changed"},
		"two reasons":        {next: files("compose.yaml", strings.Replace(compose("command: go"), "1.27", "1.28", 1)), want: "image nginx:1.27 → nginx:1.28; command"},
	} {
		t.Run(name, func(t *testing.T) {
			with := func(over map[string]string) map[string]string {
				all := files("compose.yaml", base)
				maps.Copy(all, over)
				return all
			}
			d := Compare(mustLoad(t, source(with(test.old), test.oldEnv...)), mustLoad(t, source(with(test.next), test.nextEnv...)))
			if got := d.Why("web"); got != test.want {
				t.Errorf("why %q, want %q", got, test.want)
			}
		})
	}
}

// files makes a map of path, content, path, content.
func files(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func TestCompareFindsWhatCameAndWent(t *testing.T) {
	old := mustLoad(t, source(files("compose.yaml", compose("networks: [n]")+"  gone: {image: x}\nnetworks: {n: {}}\nvolumes: {a: {}, b: {labels: {x: y}}, c: {name: c}, d: {driver: local}, e: {}}\n")))
	next := mustLoad(t, source(files("compose.yaml", compose("networks: [n]")+"  new: {image: x}\nnetworks: {n: {internal: true}}\nvolumes: {a: {driver_opts: {type: nfs}}, b: {}, c: {name: d}, d: {}, f: {external: true}}\n")))
	want := Difference{
		Services:        []ServiceDifference{{Name: "gone", Action: Removed}, {Name: "new", Action: Added}},
		VolumesChanged:  []string{"a", "c"},
		VolumesAdded:    []string{"f"},
		VolumesRemoved:  []string{"e"},
		NetworksChanged: []string{"n"},
		NetworksAdded:   []string{"default"},
	}
	got := Compare(old, next)
	want.NetworksAdded = got.NetworksAdded // both have the default network for the other service
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if first := Compare(nil, next); first.Why("web") != "new service" || first.Empty() {
		t.Errorf("against nothing: %+v", first)
	}
	if !Compare(next, next).Empty() {
		t.Error("a project differs from itself")
	}
}

func TestCompareTellsAnotherImageBehindATag(t *testing.T) {
	old, next := mustLoad(t, source(files("compose.yaml", compose()))), mustLoad(t, source(files("compose.yaml", compose())))
	old.PinImages(map[string]Image{"web": {ID: "sha256:1111111111111111"}})
	next.PinImages(map[string]Image{"web": {ID: "sha256:2222222222222222"}})
	if got, want := Compare(old, next).Why("web"), "image nginx:1.27 is another one now: 111111111111 → 222222222222"; got != want {
		t.Errorf("why %q, want %q", got, want)
	}
}

func TestScaledIsNothingElse(t *testing.T) {
	for reasons, want := range map[string]bool{"scale 1 → 3": true, "image a → b": false, "image a → b; scale 1 → 3": false} {
		d := ServiceDifference{Name: "web", Action: Changed, Reasons: strings.Split(reasons, "; ")}
		if from, to, ok := d.Scaled(); ok != want || ok && (from != 1 || to != 3) {
			t.Errorf("%s: %d → %d, %t", reasons, from, to, ok)
		}
	}
}
