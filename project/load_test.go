package project

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/google/go-cmp/cmp"
)

func TestLoadRefuses(t *testing.T) {
	long := strings.Repeat("# padding\n", 1<<20)
	many := "include:\n"
	files := map[string]string{}
	for i := range maxFiles + 1 {
		many += fmt.Sprintf("  - part%d.yaml\n", i)
		files[fmt.Sprintf("part%d.yaml", i)] = fmt.Sprintf("services:\n  s%d: {image: x}\n", i)
	}
	files["compose.yaml"] = many

	bomb := "x-a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'j'; c++ {
		bomb += fmt.Sprintf("x-%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}

	for name, test := range map[string]struct {
		files map[string]string
		want  []string // in the error
	}{
		"nothing":                 {map[string]string{"README": ""}, []string{"no compose file in .", "pipeline.yaml"}},
		"remote include":          {map[string]string{"compose.yaml": "include: [https://example.com/x.yaml]\n"}, []string{"compose.yaml: include", "is remote", "copy it into the repository"}},
		"git include":             {map[string]string{"compose.yaml": "include: [\"git@github.com:a/b.git\"]\n"}, []string{"is remote"}},
		"oci include":             {map[string]string{"compose.yaml": "include: [\"oci://docker.io/a/b\"]\n"}, []string{"is remote"}},
		"absolute include":        {map[string]string{"compose.yaml": "include: [/etc/passwd]\n"}, []string{"/etc/passwd is absolute"}},
		"include outside":         {map[string]string{"compose.yaml": "include: [../x.yaml]\n"}, []string{"../x.yaml leaves the repository"}},
		"include absent":          {map[string]string{"compose.yaml": "include: [x.yaml]\n"}, []string{"compose.yaml: include", "x.yaml is not in the repository"}},
		"include cycle":           {map[string]string{"compose.yaml": "include: [a.yaml]\n", "a.yaml": "include: [b.yaml]\n", "b.yaml": "include: [a.yaml]\n"}, []string{"compose.yaml → a.yaml → b.yaml → a.yaml"}},
		"include of itself":       {map[string]string{"compose.yaml": "include: [compose.yaml]\n"}, []string{"compose.yaml → compose.yaml"}},
		"include through symlink": {map[string]string{"compose.yaml": "include: [d/x.yaml]\n", "d": "-> real", "real/x.yaml": compose()}, []string{"passes through the symlink d"}},
		"include env outside":     {map[string]string{"compose.yaml": "include: [{path: x.yaml, env_file: ../e}]\n", "x.yaml": compose()}, []string{"env_file", "leaves the repository"}},
		"include env absolute":    {map[string]string{"compose.yaml": "include: [{path: x.yaml, env_file: /etc/environment}]\n", "x.yaml": compose()}, []string{"/etc/environment is absolute"}},
		"include env implicit":    {map[string]string{"compose.yaml": "include: [d/x.yaml]\n", "d/x.yaml": compose(), "d/.env": "-> /etc/environment"}, []string{"d/.env is a symlink"}},
		"include folder outside":  {map[string]string{"compose.yaml": "include: [{path: x.yaml, project_directory: ../..}]\n", "x.yaml": compose()}, []string{"project_directory", "leaves the repository"}},
		"nested include absolute": {map[string]string{"compose.yaml": "include: [d/x.yaml]\n", "d/x.yaml": "include: [{path: y.yaml, env_file: /etc/environment}]\n", "d/y.yaml": compose()}, []string{"d/x.yaml", "is absolute"}},
		"extends outside":         {map[string]string{"compose.yaml": compose("extends: {file: ../x.yaml, service: a}")}, []string{"services.web: extends", "leaves the repository"}},
		"extends absolute":        {map[string]string{"compose.yaml": compose("extends: {file: /etc/passwd, service: a}")}, []string{"is absolute"}},
		"extends absent":          {map[string]string{"compose.yaml": compose("extends: {file: x.yaml, service: a}")}, []string{"services.web: extends: x.yaml is not in the repository"}},
		"extends nested outside":  {map[string]string{"compose.yaml": compose("extends: {file: d/x.yaml, service: a}"), "d/x.yaml": "services: {a: {image: x, extends: {file: ../../y.yaml, service: b}}}\n"}, []string{"d/x.yaml: services.a", "leaves the repository"}},
		"extends cycle":           {map[string]string{"compose.yaml": compose("extends: {file: x.yaml, service: a}"), "x.yaml": "services: {a: {extends: {file: compose.yaml, service: web}}}\n"}, []string{"web in compose.yaml", "a in x.yaml", "cycle"}},
		"symlinked compose file":  {map[string]string{"compose.yaml": "-> other.yaml", "other.yaml": compose()}, []string{"compose.yaml is a symlink"}},
		"absolute env_file":       {map[string]string{"compose.yaml": compose("env_file: /proc/self/environ")}, []string{"services.web: env_file: /proc/self/environ is absolute"}},
		"env_file outside":        {map[string]string{"compose.yaml": compose("env_file: [{path: ../.env, required: false}]")}, []string{"leaves the repository"}},
		"env_file absent":         {map[string]string{"compose.yaml": compose("env_file: web.env")}, []string{"service web: env_file: web.env is not in the repository"}},
		"env_file format":         {map[string]string{"compose.yaml": compose("env_file: [{path: web.env, format: toml}]"), "web.env": ""}, []string{`format "toml" is not known`}},
		"absolute label_file":     {map[string]string{"compose.yaml": compose("label_file: /etc/passwd")}, []string{"label_file: /etc/passwd is absolute"}},
		"mount outside":           {map[string]string{"compose.yaml": compose("volumes: [\"../../x:/x\"]")}, []string{"services.web: volumes: ../../x leaves the repository"}},
		"mount outside, long":     {map[string]string{"compose.yaml": compose("volumes: [{type: bind, source: ../x, target: /x}]")}, []string{"leaves the repository"}},
		"mount from home":         {map[string]string{"compose.yaml": compose("volumes: [\"~/x:/x\"]")}, []string{"~/x names a home folder"}},
		"mounted symlink":         {map[string]string{"compose.yaml": compose("volumes: [\"./x:/x\"]"), "x": "-> /etc/shadow"}, []string{"x is a symlink"}},
		"secret file outside":     {map[string]string{"compose.yaml": compose() + "secrets: {a: {file: ../a}}\n"}, []string{"secrets.a: ../a leaves the repository"}},
		"large file":              {map[string]string{"compose.yaml": long}, []string{"compose.yaml is larger than 1 MiB"}},
		"many files":              {files, []string{"more than 64"}},
		"alias bomb":              {map[string]string{"compose.yaml": bomb + compose()}, []string{"compose.yaml", "alias"}},
		"no YAML":                 {map[string]string{"compose.yaml": "services: [\n"}, []string{"compose.yaml"}},
		"several documents":       {map[string]string{"compose.yaml": compose() + "---\n" + compose()}, []string{"more than one YAML document"}},
		"unknown key":             {map[string]string{"compose.yaml": compose("imagee: x")}, []string{"compose.yaml", "services.web.imagee: Compose knows no such key"}},
		"unknown key, included":   {map[string]string{"compose.yaml": "include: [d/x.yaml]\n", "d/x.yaml": compose("imagee: x")}, []string{"validating d/x.yaml", "imagee"}},
		"no image":                {map[string]string{"compose.yaml": "services: {web: {command: x}}\n"}, []string{"web", "neither an image nor a build"}},
		"no service":              {map[string]string{"compose.yaml": compose("profiles: [debug]")}, []string{"no service is left", "profiles"}},
		"required variable":       {map[string]string{"compose.yaml": compose("hostname: ${HOST:?say where}")}, []string{"compose.yaml: variable HOST is required: say where"}},
		"other name":              {map[string]string{"compose.yaml": "name: other\n" + compose()}, []string{`named "other"`, `"shop"`, "project: other"}},
		"extension key":           {map[string]string{"compose.yaml": compose("x-deployer: {rolback: never}")}, []string{"service web: x-deployer: rolback is not known"}},
		"extension value":         {map[string]string{"compose.yaml": compose("x-deployer: {rollback: always}")}, []string{"rollback: always is not known"}},
		"extension path":          {map[string]string{"compose.yaml": compose("x-deployer: {files: {./data: relative}}")}, []string{"neither `keep` nor an absolute path"}},
		"extension unused":        {map[string]string{"compose.yaml": compose("x-deployer: {files: {./data: /srv}}")}, []string{"the service mounts no data"}},
		"extension at the top":    {map[string]string{"compose.yaml": compose() + "x-deployer: {rollback: never}\n"}, []string{"put it into a service"}},
		"service named as a path": {map[string]string{"compose.yaml": "services: {\"..\": {image: x}}\n"}, []string{`service ".."`}},
		"external secret":         {map[string]string{"compose.yaml": compose("secrets: [a]") + "secrets: {a: {external: true}}\n"}, []string{"external secret", "Swarm"}},
		"undefined secret":        {map[string]string{"compose.yaml": compose("secrets: [a]") + "secrets: {a: {environment: NONE}}\n"}, []string{"variable NONE is not defined"}},
		"volume named as a path":  {map[string]string{"compose.yaml": compose(`volumes: ["v:/x"]`) + "volumes: {v: {external: true, name: /etc}}\n"}, []string{`volume v: "/etc" is no name of a volume`}},
		"volume named as folders": {map[string]string{"compose.yaml": compose(`volumes: ["v:/x"]`) + "volumes: {v: {name: a/../../etc}}\n"}, []string{`is no name of a volume`}},
		"relative volume device":  {map[string]string{"compose.yaml": compose(`volumes: ["v:/x"]`) + "volumes: {v: {driver_opts: {o: rbind, type: none, device: ../../etc}}}\n"}, []string{`volume v: driver_opts: device "../../etc" is relative`, "driver: local"}},
		"relative memory device":  {map[string]string{"compose.yaml": compose(`volumes: ["v:/x"]`) + "volumes: {v: {driver: local, driver_opts: {o: \"size=1m,bind\", type: tmpfs, device: ./d}}}\n"}, []string{`device "./d" is relative`}},
		"tracked volume device":   {map[string]string{"compose.yaml": compose() + "volumes: {v: {driver: local, driver_opts: {o: bind, type: none, device: ./d}}}\n", "d/x": "1"}, []string{"volume v", "content in Git"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Load(context.Background(), source(test.files))
			if err == nil {
				t.Fatalf("loaded %v", p.Compose.ServiceNames())
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			for _, leak := range []string{"/dev/shm", virtualRoot, "deployer-compose"} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("error %q names the folder of the load", err)
				}
			}
		})
	}
}

func TestLoadSeesNothingOfTheProcess(t *testing.T) {
	t.Setenv("CANARY", "leaked")
	t.Setenv("COMPOSE_PROFILES", "debug")
	t.Setenv("COMPOSE_FILE", "other.yaml")
	t.Setenv("HOME", "/leaked")
	p := mustLoad(t, source(map[string]string{
		"compose.yaml": compose("environment: [CANARY, \"A=${CANARY}\"]") + "  debug: {image: x, profiles: [debug]}\n",
		"other.yaml":   "services: {other: {image: x}}\n",
		".env":         "CANARY=leaked\n",
	}, "COMPOSE_REMOVE_ORPHANS=1"))
	if got := p.Compose.ServiceNames(); !slices.Equal(got, []string{"web"}) {
		t.Errorf("services %v", got)
	}
	environment := p.Compose.Services["web"].Environment
	if environment["CANARY"] != nil || *environment["A"] != "" {
		t.Errorf("environment %v", environment)
	}
	if _, ok := p.Compose.Environment["COMPOSE_REMOVE_ORPHANS"]; ok {
		t.Error("a variable of the env file would steer Compose")
	}
	if want := []Undefined{{"CANARY", "compose.yaml"}}; !slices.Equal(p.Undefined, want) {
		t.Errorf("undefined %v, want %v", p.Undefined, want)
	}
	if !strings.Contains(strings.Join(p.Warnings, "\n"), "passes CANARY on") {
		t.Errorf("warnings %q", p.Warnings)
	}
}

func TestLoadInterpolatesAsCompose(t *testing.T) {
	p := mustLoad(t, source(map[string]string{"compose.yaml": compose(`environment:
      PLAIN: ${A}
      DOLLAR: "$$A $$${A}"
      QUOTED: 'say "${A}"'
      EMPTY_DEFAULT: "${NONE:-}"
      SOFT: ${EMPTY:-soft}
      HARD: "${EMPTY-hard}"
      NESTED: ${NONE:-${ALSO_NONE:-deep}}
      PRESENT: ${A:+yes}
      SPACES: ${SPACED}
      MISSING: "<${MISSING_ONE}>"
      MISSING_NESTED: ${NONE:-${MISSING_TWO}}
      UNUSED: ${A:-${MISSING_THREE}}
      NAME: $COMPOSE_PROJECT_NAME`)}, "A=a", "EMPTY=", "SPACED= x # y $z '\" "))
	got := map[string]string{}
	for name, value := range p.Compose.Services["web"].Environment {
		got[name] = *value
	}
	want := map[string]string{
		"PLAIN": "a", "DOLLAR": "$A $a", "QUOTED": `say "a"`, "EMPTY_DEFAULT": "", "SOFT": "soft", "HARD": "",
		"NESTED": "deep", "PRESENT": "yes", "SPACES": " x # y $z '\" ", "MISSING": "<>", "MISSING_NESTED": "", "UNUSED": "a", "NAME": "shop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := []Undefined{{"MISSING_ONE", "compose.yaml"}, {"MISSING_TWO", "compose.yaml"}}; !slices.Equal(p.Undefined, want) {
		t.Errorf("undefined %v, want %v", p.Undefined, want)
	}
}

func TestLoadMergesOverrideAndProfiles(t *testing.T) {
	src := source(map[string]string{
		"stack/docker-compose.yml":          compose("environment: {A: one, B: two}") + "  debug: {image: busybox, profiles: [debug]}\n",
		"stack/docker-compose.override.yml": "services: {web: {environment: {B: three}, ports: !override [\"80:80\"]}}\n",
	})
	src.Dir, src.Profiles = "stack", []string{"debug"}
	p := mustLoad(t, src)
	if got := p.Compose.ServiceNames(); !slices.Equal(got, []string{"debug", "web"}) {
		t.Errorf("services %v", got)
	}
	web := p.Compose.Services["web"]
	if *web.Environment["A"] != "one" || *web.Environment["B"] != "three" || len(web.Ports) != 1 {
		t.Errorf("merged %v %v", web.Environment, web.Ports)
	}
	if want := "docker-compose.yml,docker-compose.override.yml"; web.CustomLabels["com.docker.compose.project.config_files"] != want {
		t.Errorf("labels %v", web.CustomLabels)
	}
	if p.Compose.Networks["default"].Name != "shop_default" {
		t.Errorf("networks %v", p.Compose.Networks)
	}
	if want := []string{"stack/docker-compose.override.yml", "stack/docker-compose.yml"}; !slices.Equal(p.Reads, want) {
		t.Errorf("reads %v, want %v", p.Reads, want)
	}
}

func TestLoadFindsTheFilesThatComposeFinds(t *testing.T) {
	if !slices.Equal(defaultFiles, cli.DefaultFileNames) || !slices.Equal(overrideFiles, cli.DefaultOverrideFileNames) {
		t.Errorf("Compose looks for %v and %v", cli.DefaultFileNames, cli.DefaultOverrideFileNames)
	}
	for _, row := range []struct{ files, want []string }{
		{[]string{"compose.yml"}, []string{"compose.yml"}},
		{[]string{"docker-compose.yaml", "docker-compose.yml"}, []string{"docker-compose.yml"}},
		{[]string{"docker-compose.yml", "compose.override.yaml"}, []string{"docker-compose.yml", "compose.override.yaml"}},
		{[]string{"compose.yaml", "docker-compose.override.yml", "compose.override.yml"}, []string{"compose.yaml", "compose.override.yml"}},
	} {
		tree := map[string]string{}
		for _, f := range row.files {
			tree[f] = compose()
		}
		p := mustLoad(t, source(tree))
		if got := p.Compose.Services["web"].CustomLabels["com.docker.compose.project.config_files"]; got != strings.Join(row.want, ",") {
			t.Errorf("of %v it takes %s, want %v", row.files, got, row.want)
		}
		beside := len(row.files) > len(row.want)
		if warned := slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "Compose takes") }); warned != beside {
			t.Errorf("of %v it warns of %q", row.files, p.Warnings)
		}
	}
}

func TestLoadTakesTheFilesItIsGiven(t *testing.T) {
	src := source(map[string]string{
		"stack/compose.yaml":   compose("hostname: unwanted"),
		"stack/deploy/a.yaml":  compose("volumes: [\"./conf:/conf:ro\"]"),
		"stack/deploy/conf":    "of deploy",
		"stack/b.yaml":         "services: {web: {hostname: b}}\n",
		"stack/conf":           "of the stack",
		"stack/deploy/up.yaml": compose(),
	})
	src.Dir, src.Files = "stack", []string{"deploy/a.yaml", "b.yaml"}
	p := mustLoad(t, src)
	if web := p.Compose.Services["web"]; web.Hostname != "b" || len(p.Mounts) != 1 || p.Mounts[0].Path != "stack/deploy/conf" {
		t.Errorf("host %q, mounts %+v; relative paths start at the first file", web.Hostname, p.Mounts)
	}
	for _, file := range []string{"../../x.yaml", "/etc/x.yaml", "none.yaml"} {
		src.Files = []string{file}
		if _, err := Load(context.Background(), src); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
	src.Name = "Not A Name"
	if _, err := Load(context.Background(), src); err == nil || !strings.Contains(err.Error(), `project name "Not A Name"`) {
		t.Errorf("name: %v", err)
	}
}

// Includes with their own env, a file they extend from, paths relative to
// different folders, and what is secret among it.
func TestLoadFollowsIncludesAndExtends(t *testing.T) {
	before := staged(t)
	src := source(map[string]string{
		"stacks/shop/compose.yaml": `include:
  - path: ../../lib/db/compose.yaml
    env_file: [../../lib/db/db.env, ./more.env]
  - ../../lib/cache$/compose.yaml
services:
  web:
    extends: {file: ../../lib/base.yaml, service: base}
    image: nginx:1.27
    depends_on: [db]
    label_file: labels
`,
		"stacks/shop/more.env":     "MORE=${DB_USER}-${TOP}\n",
		"stacks/shop/labels":       "team=shop\nteam.lead=${team}s\n",
		"lib/base.yaml":            "services:\n  base: {image: base, volumes: [\"./base.conf:/base.conf:ro\"], extends: {file: deep/er.yaml, service: er}}\n",
		"lib/deep/er.yaml":         "services:\n  er: {image: er, volumes: [\"./er.conf:/er.conf:ro\"], environment: {ER: \"${TOP}\"}}\n",
		"lib/base.conf":            "base",
		"lib/deep/er.conf":         "er",
		"lib/db/compose.yaml":      "include:\n  - {path: more/compose.yaml, env_file: more/own.env}\nservices:\n  db:\n    image: postgres\n    environment: [DB_PASSWORD, \"USER=${DB_USER}\", \"MORE=${MORE}\", \"TOP=${TOP}\"]\n    volumes: [\"./init:/init:ro\"]\n",
		"lib/db/db.env":            sealed(t, "DB_USER=admin\nDB_PASSWORD=correct-horse#1\nTOP=not this\n"),
		"lib/db/init/1.sql":        "select 1",
		"lib/db/more/compose.yaml": "services:\n  more: {image: more, environment: {OWN: \"${OWN}\"}}\n",
		"lib/db/more/own.env":      "OWN=of ${DB_USER}\n",
		"lib/cache$/compose.yaml":  "services:\n  cache: {image: cache, hostname: \"${HOST}\"}\n",
		"lib/cache$/.env":          "HOST=cachehost\n",
	}, "TOP=top")
	src.Dir = "stacks/shop"
	p := mustLoad(t, src)

	values := func(service string) map[string]string {
		out := map[string]string{}
		for name, value := range p.Compose.Services[service].Environment {
			out[name] = *value
		}
		return out
	}
	want := map[string]string{"DB_PASSWORD": "correct-horse#1", "USER": "admin", "MORE": "admin-top", "TOP": "top"}
	if diff := cmp.Diff(want, values("db")); diff != "" {
		t.Error("db:", diff)
	}
	if diff := cmp.Diff(map[string]string{"OWN": "of admin"}, values("more")); diff != "" {
		t.Error("more:", diff)
	}
	if diff := cmp.Diff(map[string]string{"ER": "top"}, values("web")); diff != "" {
		t.Error("web:", diff)
	}
	if host := p.Compose.Services["cache"].Hostname; host != "cachehost" {
		t.Errorf("hostname %q, want it from the .env of the included folder", host)
	}
	if diff := cmp.Diff(map[string]string{"team": "shop", "team.lead": "shops"}, map[string]string(p.Compose.Services["web"].Labels)); diff != "" {
		t.Error("labels:", diff)
	}
	var mounted []string
	for _, m := range p.Mounts {
		mounted = append(mounted, m.Service+" "+string(m.Kind)+" "+m.Path)
	}
	slices.Sort(mounted)
	if want := []string{"db object lib/db/init", "web object lib/base.conf", "web object lib/deep/er.conf"}; !slices.Equal(mounted, want) {
		t.Errorf("mounts %v, want %v", mounted, want)
	}
	if len(p.Undefined) > 0 {
		t.Errorf("undefined %v", p.Undefined)
	}
	if !p.taint.secret(values("db")["MORE"]) || p.taint.secret("cachehost") {
		t.Error("secrets of an include's env are not told from what is public")
	}
	for name := range p.Compose.Environment {
		if strings.HasPrefix(name, "DEPLOYER_") {
			t.Errorf("%s is left in the environment", name)
		}
	}
	if after := staged(t); !slices.Equal(before, after) {
		t.Errorf("left behind %v", after)
	}
}

// What lies on disk while an include is loaded must hold no secret.
func TestStageHoldsNoSecret(t *testing.T) {
	src := source(map[string]string{
		"compose.yaml":    "include: [db/compose.yaml]\n",
		"db/compose.yaml": "services: {db: {image: x, environment: [PASSWORD]}}\n",
		"db/.env":         sealed(t, "PASSWORD=correct-horse\n"),
	})
	l := &load{src: src, view: newView(src), taint: newTaint(src.Env), root: virtualRoot, names: map[string]string{}, undefined: map[Undefined]bool{}, files: []string{"compose.yaml"}, dir: "."}
	top := &unit{files: l.files, dir: l.dir, env: l.environment()}
	w := &walk{load: l, extended: map[string]bool{}}
	if err := w.visit(context.Background(), top); err != nil {
		t.Fatal(err)
	}
	s, err := newStage(l, maps.Clone(top.env))
	if err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	if _, err := s.write(w, top); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(s.folder, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(p)
		if strings.Contains(string(data), "correct-horse") || strings.Contains(string(data), "sops_") {
			t.Errorf("%s holds the env:\n%s", p, data)
		}
		return err
	})
	if err != nil || files != 2 {
		t.Errorf("%d files, %v", files, err)
	}
	if info, err := os.Stat(s.folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder %v, %v", info.Mode(), err)
	}
}

func staged(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(memoryFolder(), stagePrefix()+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLoadResolvesEnvFilesFromMemory(t *testing.T) {
	p := mustLoad(t, source(map[string]string{
		"compose.yaml": compose("environment: {OWN: own, BOTH: environment}", "env_file: [web.env, {path: none.env, required: false}, {path: raw.env, format: raw}]"),
		"web.env":      sealed(t, "BOTH=file\nREF=${TOP}/${OWN}/${EARLIER:-none}\nEARLIER='a b # c $d'\nPASS=Mo$t\n"),
		"raw.env":      "RAW=\"a\" $b # c\n",
	}, "TOP=top"))
	got := map[string]string{}
	web := p.Compose.Services["web"]
	for name, value := range web.Environment {
		got[name] = *value
	}
	want := map[string]string{"OWN": "own", "BOTH": "environment", "REF": "top/own/none", "EARLIER": "a b # c $d", "PASS": "Mo", "RAW": `"a" $b # c`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if web.EnvFiles != nil {
		t.Error("paths of env files are left for Compose to hash")
	}
	var shown []string
	for _, s := range p.Secrets() {
		shown = append(shown, s.Reveal())
	}
	if !slices.Contains(shown, "top/own/none") || !slices.Contains(shown, "a b # c $d") {
		t.Errorf("secrets %q", shown)
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, files := range map[string]map[string]string{
		"one file": {"compose.yaml": compose("volumes: [\"./a.conf:/a.conf:ro\"]", "environment: {A: \"${A}\"}") + "  db: {image: postgres, volumes: [\"data:/data\"]}\nvolumes: {data: {}}\n", "a.conf": "x"},
		"include":  {"compose.yaml": "include: [a/compose.yaml]\n" + compose(), "a/compose.yaml": "services: {a: {image: x}}\n", "a/.env": "A=1\n"},
	} {
		b.Run(name, func(b *testing.B) {
			src := source(files, "A=1")
			for b.Loop() {
				if _, err := Load(context.Background(), src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
