package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/secrets"
	"deployer/state"
)

// A badCommit is a commit that must not get as far as a container.
type badCommit struct {
	files gittest.Files
	stage state.StageName // that finds it
	says  []string        // the file, what is wrong, what to do
}

func compose(text string) gittest.Files { return gittest.Files{"compose.yaml": gittest.Text(text)} }

// and joins the files of a commit; what comes later wins.
func and(all ...gittest.Files) gittest.Files {
	out := gittest.Files{}
	for _, files := range all {
		maps.Copy(out, files)
	}
	return out
}

// mustRefuse pushes each commit on top of a good one that runs, and wants it
// to fail in its stage, with its message, and no container touched.
func (p *product) mustRefuse(image string, commits map[string]badCommit) {
	t := p.t
	t.Helper()
	good, run := p.Push("good", oneService(image, "good"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	before := p.Containers()
	for name, bad := range commits {
		t.Run(name, func(t *testing.T) {
			commit := p.Repo.CommitOn(good, "main", name, bad.files)
			run := p.Wait(p.Announce(commit))
			producttest.MustEnd(t, run, state.RunFailed)
			for _, stage := range run.Stages {
				if failed := stage.Status == state.StageFailed; failed != (stage.Name == bad.stage) {
					t.Errorf("stage %s is %s", stage.Name, stage.Status)
				}
			}
			text := evidence(run, bad.stage)
			for _, says := range bad.says {
				if !strings.Contains(text, says) {
					t.Errorf("%s does not say %q:\n%s", bad.stage, says, text)
				}
			}
			if after := p.Containers(); after["web"] != before["web"] || len(after) != len(before) {
				t.Errorf("the containers went from %v to %v", before, after)
			}
		})
	}
	if s := p.Now(); s.Live.Commit != good || s.Health != "healthy" {
		t.Errorf("%s is live and %s, not %s", s.Live.Commit, s.Health, good)
	}
}

// Nothing of a commit may reach a file outside of it.
func TestPathsStayInTheCommit(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	const outside, absolute = "leaves the repository", "is absolute"
	const symlink, through = "link is a symlink", "passes through the symlink folder"
	link := gittest.Files{"link": gittest.Symlink("/etc/passwd"), "folder": gittest.Symlink("/etc")}
	service := func(text string) gittest.Files {
		return and(compose(fmt.Sprintf("services: {web: {image: %s, %s}}\n", image, text)), link)
	}
	include := func(path string) gittest.Files {
		return and(compose(fmt.Sprintf("include: [%q]\nservices: {web: {image: %s}}\n", path, image)), link)
	}
	extends := func(path string) gittest.Files {
		return and(compose(fmt.Sprintf("services: {web: {extends: {file: %q, service: x}}}\n", path)), link)
	}
	pipeline := func(path string) gittest.Files {
		return and(gittest.Files{"pipeline.yaml": gittest.Text(fmt.Sprintf("env_file: %q\n", path))}, link)
	}
	preflight := func(files gittest.Files, says ...string) badCommit {
		return badCommit{files, state.StagePreflight, says}
	}
	p.mustRefuse(image, map[string]badCommit{
		"include above":              preflight(include("../other/compose.yaml"), "compose.yaml", outside),
		"include absolute":           preflight(include("/etc/compose.yaml"), "compose.yaml", absolute),
		"include of a symlink":       preflight(include("link"), symlink),
		"include through a symlink":  preflight(include("folder/passwd"), through),
		"include from elsewhere":     preflight(include("https://example.com/compose.yaml"), "compose.yaml", "remote"),
		"include from Git":           preflight(include("git@github.com:example/stack.git"), "compose.yaml", "remote"),
		"include of an OCI artifact": preflight(include("oci://registry.example.com/stack:1"), "remote"),
		"include in a circle": preflight(and(include("a.yaml"), gittest.Files{
			"a.yaml": gittest.Text("include: [b.yaml]\n"), "b.yaml": gittest.Text("include: [a.yaml]\n"),
		}), "a.yaml", "b.yaml"),
		"extends above":              preflight(extends("../x.yaml"), "compose.yaml", outside),
		"extends absolute":           preflight(extends("/etc/x.yaml"), "compose.yaml", absolute),
		"extends of a symlink":       preflight(extends("link"), symlink),
		"extends through a symlink":  preflight(extends("folder/passwd"), through),
		"env_file above":             preflight(service("env_file: ../../x.env"), "compose.yaml", outside),
		"env_file absolute":          preflight(service("env_file: /etc/passwd"), "compose.yaml", absolute),
		"env_file of a symlink":      preflight(service("env_file: link"), symlink),
		"env_file through a symlink": preflight(service("env_file: folder/passwd"), through),
		"mount above":                preflight(service(`volumes: ["../../etc:/x:ro"]`), "compose.yaml", outside),
		"mount of a symlink":         preflight(service(`volumes: ["./link:/x:ro"]`), symlink),
		"mount through a symlink":    preflight(service(`volumes: ["./folder/passwd:/x:ro"]`), through),
		"pipeline's above":           {pipeline("../x.env"), state.StageFetch, []string{"pipeline.yaml", "../x.env", outside}},
		"pipeline's absolute":        {pipeline("/etc/passwd"), state.StageFetch, []string{"pipeline.yaml", "/etc/passwd", outside}},
		"pipeline's symlink":         {pipeline("link"), state.StageFetch, []string{"env_file", symlink}},
		"pipeline's through one":     {pipeline("folder/passwd"), state.StageFetch, []string{"env_file folder/passwd", "folder is a symlink", "same commit"}},
	})
}

// What cannot be read says in which file and line, and what would be right.
func TestUnreadableFilesAreNamed(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, stranger, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := secrets.EncryptDotenv([]byte("A=b\n"), []string{stranger}, "")
	if err != nil {
		t.Fatal(err)
	}
	env := func(text string) gittest.Files { return gittest.Files{".env.production": gittest.Text(text)} }
	pipeline := func(text string) gittest.Files { return gittest.Files{"pipeline.yaml": gittest.Text(text)} }
	fetch, decrypt, preflight := state.StageFetch, state.StageDecrypt, state.StagePreflight
	p.mustRefuse(image, map[string]badCommit{
		"unknown key of the pipeline": {pipeline("profiles: []\nverfy: []\n"), fetch, []string{"pipeline.yaml", "verfy", "2", "docs/pipeline.md"}},
		"unknown key of a check": {pipeline("verify:\n  - {check: http, url: 'http://127.0.0.1/', statsu: 200}\n"), fetch,
			[]string{"pipeline.yaml", "statsu", "status"}},
		"unknown check":      {pipeline("verify: [{check: htttp}]\n"), fetch, []string{"pipeline.yaml", "htttp", "http"}},
		"another's key":      {env(string(foreign)), decrypt, []string{".env.production", stranger, "age_key_files", p.Path("age.key")}},
		"a key given twice":  {env("A=one\nB=x\nA=two\n"), decrypt, []string{".env.production", ".env.production:3", "A is given twice", "keep one"}},
		"a line without =":   {env("A=one\nnothing\n"), decrypt, []string{".env.production", ".env.production:2", `"="`, "NAME=value"}},
		"a quote left open":  {env("A='one\nB=two\n"), decrypt, []string{".env.production", ".env.production:1", "close it"}},
		"a NUL byte":         {env("A=one\x00two\n"), decrypt, []string{".env.production", "NUL", "UTF-8"}},
		"a damaged SOPS":     {env(strings.Replace(string(foreign), "sops_mac", "sops_mad", 1)), decrypt, []string{".env.production"}},
		"no YAML":            {compose("services: [\n"), preflight, []string{"compose.yaml"}},
		"no service":         {compose("services: {}\n"), preflight, []string{"compose.yaml", "service"}},
		"no compose file":    {gittest.Files{"compose.yaml": gittest.Removed()}, preflight, []string{"compose.yaml", "pipeline.yaml"}},
		"a binary":           {compose("\x00\x01\x02"), preflight, []string{"compose.yaml"}},
		"10 MB of comments":  {compose(strings.Repeat("# a comment of fifty characters, all of it useless\n", 200_000)), preflight, []string{"compose.yaml", "1 MiB"}},
		"a billion laughs":   {compose(laughs(image)), preflight, []string{"compose.yaml"}},
		"another's project":  {compose(fmt.Sprintf("name: other\nservices: {web: {image: %s}}\n", image)), preflight, []string{"other", p.Stack}},
		"env_file not there": {pipeline("env_file: .env.staging\n"), fetch, []string{".env.staging", "pipeline.yaml"}},
	})
}

// laughs is a small file whose aliases would expand to gigabytes.
func laughs(image string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "x-0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "x-%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	fmt.Fprintf(&b, "services: {web: {image: %s, labels: {x: y}}}\n", image)
	return b.String()
}
