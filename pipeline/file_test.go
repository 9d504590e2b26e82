package pipeline

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"deployer/pipeline/check"
)

func parsed(t *testing.T, text, environment string) *File {
	t.Helper()
	f, err := parseFile([]byte(text), environment)
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return f
}

func checksOf(specs []check.Spec) []string {
	names := []string{}
	for _, s := range specs {
		names = append(names, s.Check())
	}
	return names
}

func TestStackWithoutPipelineHasTheDefaults(t *testing.T) {
	want := DeployOptions{
		Timeout: Duration(10 * time.Minute), Wait: Duration(2 * time.Minute),
		Pull: "missing", Orphans: "remove", Strategy: "recreate",
	}
	for name, text := range map[string]string{"empty": "", "blank": " \n\n", "a comment": "---\n# nothing yet\n"} {
		f := parsed(t, text, "")
		if d := cmp.Diff(want, f.Deploy); d != "" || !f.Rollback.Automatic || len(f.Verify)+len(f.Preflight) != 0 {
			t.Errorf("%s: %+v\n%s", name, f, d)
		}
	}
	if f := parsed(t, "deploy: {wait: 90s}\n", ""); time.Duration(f.Deploy.Wait) != 90*time.Second || f.Deploy.Timeout != want.Timeout || f.Deploy.Pull != "missing" {
		t.Errorf("one option given: the deploy is %+v", f.Deploy)
	}
	if f := parsed(t, "rollback: {}\n", ""); !f.Rollback.Automatic {
		t.Error("rollback: {} turns it off")
	}
}

func TestBuiltInChecksRunWhateverTheListsSay(t *testing.T) {
	f := parsed(t, "verify: []\npreflight: []\n", "")
	if got := checksOf(check.WithDefaults(f.Verify, "containers")); !slices.Equal(got, []string{"containers"}) {
		t.Errorf("after: %v", got)
	}
	x := &Execution{File: f}
	if got := checksOf(x.preflightChecks()); !slices.Equal(got, []string{"env", "placeholders", "engine"}) {
		t.Errorf("before: %v", got)
	}
	x.File = parsed(t, "preflight: [{check: env, required: [A]}, {check: tcp, address: \"a:1\"}]\n", "")
	if got := checksOf(x.preflightChecks()); !slices.Equal(got, []string{"placeholders", "engine", "env", "tcp"}) {
		t.Errorf("one configured: %v, want it once", got)
	}
}

func TestEnvironmentLiesOverTheTopLevel(t *testing.T) {
	const text = `
profiles: [mail]
env_file: .env.production
env_example: .env.example
preflight: [{check: engine}]
verify: [{check: http, url: "http://shop"}]
environments:
  dev: {env_file: .env, profiles: [debug], verify: [{check: containers}]}
  bare: {profiles: [], preflight: [], verify: []}
  same:
`
	for environment, want := range map[string]struct {
		profiles, preflight, verify []string
		envFile                     string
	}{
		"":           {[]string{"mail"}, []string{"engine"}, []string{"http"}, ".env.production"},
		"production": {[]string{"mail"}, []string{"engine"}, []string{"http"}, ".env.production"},
		"same":       {[]string{"mail"}, []string{"engine"}, []string{"http"}, ".env.production"},
		"dev":        {[]string{"debug"}, []string{"engine"}, []string{"containers"}, ".env"},
		"bare":       {[]string{}, []string{}, []string{}, ".env.production"},
	} {
		f := parsed(t, text, environment)
		if !slices.Equal(f.Profiles, want.profiles) || !slices.Equal(checksOf(f.Preflight), want.preflight) ||
			!slices.Equal(checksOf(f.Verify), want.verify) || f.EnvFile != want.envFile || f.EnvExample != ".env.example" {
			t.Errorf("%q: profiles %v, before %v, after %v, env file %s", environment, f.Profiles, checksOf(f.Preflight), checksOf(f.Verify), f.EnvFile)
		}
	}
}

func TestWrongPipelineIsRefusedInWords(t *testing.T) {
	for name, row := range map[string]struct {
		text, environment string
		says              []string
	}{
		"unknown key":             {"verfy: []\n", "", []string{"[1:1] unknown key verfy", `did you mean "verify"?`}},
		"unknown key deeper":      {"deploy: {tiemout: 1m}\n", "", []string{"[1:10] unknown key deploy.tiemout", `did you mean "timeout"?`}},
		"all unknown keys":        {"verfy: []\nmonitor: {evry: 1m}\nbackup: {too: x}\nenvironments:\n  dev: {env_fil: x, verify: [{chek: y}]}\n", "", []string{"verfy", "[2:11] unknown key monitor.evry", "[3:10] unknown key backup.too", "[5:9] unknown key environments.dev.env_fil"}},
		"unknown environment key": {"environments: {dev: {deploy: {}}}\n", "", []string{"deploy"}},
		"key twice":               {"verify: []\nverify: []\n", "", []string{"verify"}},
		"a list for a mapping":    {"deploy: [1]\n", "", []string{"1 |"}},
		"no YAML":                 {"verify: [\n", "", []string{"1 |"}},
		"unknown environment":     {"environments: {dev: {}}\n", "staging", []string{`"staging"`}},
		"backup":                  {"backup: {volumes: [data]}\n", "", []string{"backup.to", "not an absolute path"}},
		"monitor":                 {"monitor: {every: 15m}\n", "", []string{"monitor.checks: is empty", "remove monitor"}},
		"rolling":                 {"deploy: {strategy: rolling}\n", "", []string{"deploy.strategy", `"rolling"`, "not supported by this version", "use recreate"}},
		"pull":                    {"deploy: {pull: sometimes}\n", "", []string{"deploy.pull", `"sometimes"`, "missing always never"}},
		"orphans":                 {"deploy: {orphans: shoot}\n", "", []string{"deploy.orphans", `"shoot"`, "remove keep"}},
		"unknown check":           {"verify: [{check: htp, url: \"http://a\"}]\n", "", []string{"htp", "http"}},
		"wrong check field":       {"verify: [{check: http, uri: \"http://a\"}]\n", "", []string{"uri", "url"}},
		"pattern":                 {"paths: [\"ok/**\", \"a[\"]\n", "", []string{"paths[1]", `"a["`, "no pattern"}},
		"everything at once": {"deploy: {pull: x, orphans: y}\nbackup: {}\n", "",
			[]string{"deploy.pull", "deploy.orphans", "backup"}},
		"too large": {strings.Repeat("# filler\n", maxFile/8), "", []string{"bytes are too many"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := parseFile([]byte(row.text), row.environment)
			if err == nil {
				t.Fatalf("it is read as %+v", f)
			}
			for _, want := range row.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not said in: %v", want, err)
				}
			}
		})
	}
}

func TestDurationsAreWrittenWithTheirUnit(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond,
		"10": 0, "0s": 0, "-1m": 0, "soon": 0, "10 m": 0, "[1m]": 0, "1d": 0,
	} {
		f, err := parseFile([]byte("deploy: {timeout: "+text+"}\n"), "")
		switch {
		case want == 0 && err == nil:
			t.Errorf("%s is read as %s", text, time.Duration(f.Deploy.Timeout))
		case want != 0 && (err != nil || time.Duration(f.Deploy.Timeout) != want):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestEnvFileIsTheOneNamedOrTheUsualOne(t *testing.T) {
	tree := fstest.MapFS{"shop/.env.production": {}, "shop/.env": {}, "shared/web.env": {}, "blog/compose.yaml": {}}
	for _, row := range []struct{ dir, named, want, fails string }{
		{"shop", "", ".env.production", ""},
		{"shop", ".env", ".env", ""},
		{"shop", "../shared/web.env", "../shared/web.env", ""},
		{"blog", "", "", ""},
		{"blog", ".env.dev", "", "env_file blog/.env.dev is not in the commit"},
		{"shop", "../../etc/passwd", "", "leaves the repository"},
	} {
		f := defaultFile()
		f.EnvFile = row.named
		err := f.findEnv(tree, row.dir)
		switch {
		case row.fails != "" && (err == nil || !strings.Contains(err.Error(), row.fails) || Hint(err) == ""):
			t.Errorf("%+v: %v, hint %q", row, err, Hint(err))
		case row.fails == "" && (err != nil || f.EnvFile != row.want):
			t.Errorf("%+v: %q, %v", row, f.EnvFile, err)
		}
	}
}

func TestErrorOfReadFileNamesTheFileAndKeepsItsHint(t *testing.T) {
	tree := fstest.MapFS{"shop/pipeline.yaml": {Data: []byte("verfy: []\n")}}
	_, _, err := ReadFile(tree, "shop", "")
	if err == nil || !strings.HasPrefix(err.Error(), "shop/pipeline.yaml: ") || Hint(err) == "" {
		t.Errorf("got %v with hint %q", err, Hint(err))
	}
	f, raw, err := ReadFile(tree, "blog", "production")
	if err != nil || raw != nil || !f.Rollback.Automatic {
		t.Errorf("a folder without the file: %+v, %q, %v", f, raw, err)
	}
}

func TestMonitorIsReadStrictly(t *testing.T) {
	for source, says := range map[string]string{
		"monitor: {every: 1m}\n":                                         "monitor.checks",
		"monitor: {every: 1ms, checks: [{check: engine}]}\n":             "monitor.every",
		"monitor: {evry: 1m, checks: [{check: engine}]}\n":               "evry",
		"monitor: {every: 1m, checks: [{check: engin}]}\n":               "engine",
		"monitor: {every: 1m, checks: [{check: http, url: \"gopher\"}]}": "does not start with http",
	} {
		if _, err := parseFile([]byte(source), ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", source, err, says)
		}
	}
	file, err := parseFile([]byte("monitor: {checks: [{check: engine}]}\nenvironments: {dev: {monitor: {every: 1h, checks: [{check: engine}]}}}\n"), "dev")
	if err != nil || time.Duration(file.Monitor.Every) != time.Hour {
		t.Errorf("%+v, %v", file, err)
	}
}

func TestBackupOptionsAreRead(t *testing.T) {
	read := func(text, environment string) (*BackupOptions, error) {
		f, err := parseFile([]byte(text), environment)
		if err != nil {
			return nil, err
		}
		return f.Backup, nil
	}
	const whole = `backup: {volumes: [registry_data], to: /backups/registry, schedule: "0 3 * * *", keep_days: 7, before_deploy: true}
environments: {dev: {backup: {volumes: [other], to: /backups/dev/, mode: stopped}}, test: {}}
`
	b, err := read(whole, "")
	if err != nil || b.Volumes[0] != "registry_data" || b.KeepDays != 7 || !b.BeforeDeploy || b.mode() != modePaused {
		t.Errorf("%+v %v", b, err)
	}
	if b, err = read(whole, "dev"); err != nil || b.To != "/backups/dev/" || b.Schedule != "" || b.mode() != modeStopped {
		t.Errorf("dev: %+v %v", b, err)
	}
	if b, err = read(whole, "test"); err != nil || b.KeepDays != 7 {
		t.Errorf("test: %+v %v", b, err)
	}
	if b, err = read("verify: []\n", ""); err != nil || b != nil {
		t.Errorf("absent: %+v %v", b, err)
	}
	for text, says := range map[string]string{
		"{to: /b}":                                     "backup.volumes",
		"{volumes: [a]}":                               "backup.to",
		"{volumes: [a, a], to: /b}":                    "named twice",
		"{volumes: [a], to: backups}":                  "not an absolute path",
		"{volumes: [a], to: /b/../etc}":                "not an absolute path",
		"{volumes: [a], to: /}":                        "not an absolute path",
		"{volumes: [a], to: /etc/cron.d}":              "belongs to the system",
		"{volumes: [a], to: /b, schedule: daily}":      "five fields",
		"{volumes: [a], to: /b, keep_days: -1}":        "keep_days",
		"{volumes: [a], to: /b, mode: frozen}":         "[paused stopped running]",
		"{volumes: [a], to: /b, keepdays: 7}":          "keepdays",
		"{volumes: [a], to: /b, before_deploy: maybe}": "before_deploy",
	} {
		if _, err := read("backup: "+text+"\n", ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
