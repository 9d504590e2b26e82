package config

import (
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// server makes a folder as it is on a server, with the files that the fixtures
// name, and returns the path of the given deployer.yaml in it.
func server(t testing.TB, text []byte) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string, mode fs.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	write("secret", "from-file\n", 0o640)
	write("open", "from-file\n", 0o644)
	write("empty", "\n", 0o600)
	write("large", strings.Repeat("x", maxSecret+1), 0o600)
	write("cert.pem", "certificate", 0o644)
	write("deployer.yaml", string(text), 0o600)
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "deployer.yaml")
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func load(t *testing.T, name string) *Config {
	t.Helper()
	t.Setenv("CONFIG_TEST_SET", "from-env")
	c, err := Load(server(t, fixture(t, name)), Meanings{})
	if err != nil {
		t.Fatalf("Load:\n%v", err)
	}
	return c
}

// A want is a comment "# want path: message" in the line of a fixture that the
// problem belongs to. {{dir}} stands for its folder, {{more}} for anything.
type want struct {
	line int
	text string
}

func (w want) matches(p Problem, dir string) bool {
	pattern := regexp.QuoteMeta(w.text)
	pattern = strings.ReplaceAll(pattern, `\{\{dir\}\}`, regexp.QuoteMeta(dir))
	pattern = strings.ReplaceAll(pattern, `\{\{more\}\}`, ".*")
	said := p.Path + ": " + p.Message + "; " + p.Hint
	return p.Line == w.line && regexp.MustCompile("^"+pattern).MatchString(said)
}

func wants(text []byte) []want {
	var out []want
	for i, line := range strings.Split(string(text), "\n") {
		for _, comment := range strings.Split(line, "# want ")[1:] {
			out = append(out, want{line: i + 1, text: strings.TrimSpace(comment)})
		}
	}
	return out
}

func TestEveryProblemIsReportedInItsLine(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	t.Setenv("CONFIG_TEST_SET", "from-env")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text := fixture(t, filepath.Join("bad", filepath.Base(file)))
			path := server(t, text)
			_, err := Load(path, Meanings{})
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Load = %v, want Problems", err)
			}
			if strings.Contains(err.Error(), "hunter22") {
				t.Error("a secret is shown")
			}
			rest := slices.Clone(problems)
			for _, w := range wants(text) {
				at := slices.IndexFunc(rest, func(p Problem) bool { return w.matches(p, filepath.Dir(path)) })
				if at < 0 {
					t.Errorf("line %d: nothing says %q", w.line, w.text)
					continue
				}
				rest = slices.Delete(rest, at, at+1)
			}
			for _, p := range rest {
				t.Errorf("not expected: %v", p)
			}
			if !slices.IsSortedFunc(problems, func(a, b Problem) int { return a.Line - b.Line }) {
				t.Error("problems are not in the order of lines")
			}
		})
	}
}

func TestProblemsPrintOnePerLine(t *testing.T) {
	ps := Problems{
		{File: "deployer.yaml", Line: 12, Path: "stacks.registry.branch", Message: "too long", Hint: "cut it"},
		{File: "deployer.yaml", Line: 14, Message: "a second YAML document starts here"},
	}
	want := "deployer.yaml:12: stacks.registry.branch: too long; cut it\ndeployer.yaml:14: a second YAML document starts here"
	if ps.Error() != want {
		t.Errorf("got  %s\nwant %s", ps.Error(), want)
	}
}

func TestAFileThatCannotBeReadIsNotAProblemInIt(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "deployer.yaml"), Meanings{})
	var problems Problems
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &problems) {
		t.Errorf("Load = %v", err)
	}
	if _, err := Load(server(t, []byte(strings.Repeat("# long\n", maxFile/7+1))), Meanings{}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("Load of a huge file = %v", err)
	}
}

func TestDefaults(t *testing.T) {
	for _, name := range []string{"good/empty.yaml", "good/nulls.yaml"} {
		c := load(t, name)
		if c.Listen != "127.0.0.1:8484" || c.Data != "/var/lib/deployer" || c.Workers != 4 ||
			c.Policy.Base != PolicyBaseline || c.Retention != (Retention{Runs: 500, Age: 365 * 24 * time.Hour, Log: 16 << 20}) {
			t.Errorf("%s: got %+v", name, c)
		}
	}
	c := load(t, "good/minimal.yaml")
	if got := c.Repositories["infra"]; got.Name != "infra" || got.Poll != 5*time.Minute {
		t.Errorf("repository %+v", got)
	}
	want := &Stack{Name: "shop", Repository: "infra", Branch: "main", Directory: ".", Project: "shop",
		Target: Target{Docker: "unix:///var/run/docker.sock"}, Reconcile: ReconcileReport, Enabled: true}
	if diff := cmp.Diff(want, c.Stacks["shop"]); diff != "" {
		t.Error(diff)
	}
}

func TestEveryValueArrives(t *testing.T) {
	c := load(t, "good/everything.yaml")
	dir := filepath.Dir(string(c.TLS.KeyFile))
	in := func(name string) string { return filepath.Join(dir, name) }

	check(t, "server", []any{c.Listen, string(c.TLS.CertFile), string(c.TLS.KeyFile), c.MetricsListen, c.URL, c.Data, c.Workers},
		[]any{"[::1]:8443", in("cert.pem"), in("secret"), ":9484", "https://deploy.example.com/base", in("data"), 8})
	if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::1/128")}; !slices.Equal(c.TrustedProxies, want) {
		t.Errorf("trusted proxies %v", c.TrustedProxies)
	}
	token := c.Tokens[0]
	check(t, "token", []any{token.Name, token.Role, token.SHA256[0], token.SHA256[31]}, []any{"ops", RoleAdmin, byte(0x2c), byte(0xae)})
	check(t, "age keys", []any{string(c.Secrets.AgeKeyFiles[0])}, []any{in("secret")})
	registry := c.Registries["registry.example.com:5000"]
	check(t, "registry", []any{registry.Username, registry.Password.Reveal()}, []any{"a", "from-env"})
	check(t, "retention", []any{c.Retention.Runs, c.Retention.Age, c.Retention.Log}, []any{10, 720 * time.Hour, Size(1e6)})

	infra, keyed := c.Repositories["infra"], c.Repositories["keyed"]
	check(t, "infra", []any{infra.URL, string(infra.CAFile), infra.Auth.Username, infra.Auth.Password.Reveal(), infra.Poll},
		[]any{"https://git.example.com/ops/infra.git", in("cert.pem"), "deployer", "from-file", time.Duration(0)})
	check(t, "keyed", []any{keyed.URL, string(keyed.Auth.SSHKeyFile), string(keyed.Auth.KnownHostsFile), keyed.Poll},
		[]any{"git@git.example.com:ops/keyed.git", in("secret"), in("cert.pem"), 24 * time.Hour})
	if aliased := c.Repositories["aliased"]; !infra.Submodules.Off || aliased.Submodules.Off || len(infra.Submodules.From)+len(aliased.Submodules.From) > 0 ||
		!slices.Equal(keyed.Submodules.From, []string{"git@git.example.com:ops/", "https://github.com/acme/"}) {
		t.Errorf("submodules: %+v, %+v, %+v", infra.Submodules, keyed.Submodules, aliased.Submodules)
	}
	check(t, "aliased", []any{c.Repositories["aliased"].Auth.Password.Reveal()}, []any{"from-file"})

	shop, merged := c.Stacks["shop"], c.Stacks["merged"]
	check(t, "shop", []any{shop.Branch, shop.Directory, shop.Project, shop.Environment, shop.Target.Docker, string(shop.Target.KeyFile), shop.Enabled},
		[]any{"1.10", "apps/shop", "shop_1", "production", "tcp://10.0.0.7:2376", in("secret"), false})
	check(t, "merged", []any{merged.Name, merged.Branch, merged.Project, merged.Enabled}, []any{"merged", "1.10", "merged", true})
}

func TestWebhookSecretsOfEveryFormCount(t *testing.T) {
	var got []string
	for _, s := range load(t, "good/everything.yaml").Repositories["infra"].Webhook.Secrets() {
		got = append(got, s.Reveal())
	}
	slices.Sort(got)
	if want := []string{"from-env", "from-file", "one", "two"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInlineSecretsInAWorldReadableFileAreWarnedAbout(t *testing.T) {
	path := server(t, []byte("registries:\n  a.example.com: {username: a, password: hunter22}\n"))
	c, err := Load(path, Meanings{})
	if err != nil || len(c.Warnings) > 0 {
		t.Fatalf("private file: %v, %v", err, c.Warnings)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err = Load(path, Meanings{}); err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || c.Warnings[0].Line != 2 || c.Warnings[0].Path != `registries."a.example.com".password` {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestAnEngineWithoutTLSIsWarnedAbout(t *testing.T) {
	c, err := Load(server(t, []byte(`
repositories: {infra: {url: "file:///srv/infra.git"}}
stacks:
  shop: {repository: infra, target: {docker: "tcp://10.0.0.7:2375"}}
`)), Meanings{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || c.Warnings[0].Line != 4 || c.Warnings[0].Path != "stacks.shop.target.docker" {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func check(t *testing.T, what string, got, want []any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// FuzzDecode: whatever the text, it decodes or there are problems with it.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "../deployer.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		doc := &document{file: "deployer.yaml", dir: dir, lines: map[string]int{}}
		c := doc.decode(text, Meanings{})
		if len(doc.problems) > 0 {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(c.Stacks)) {
			if s := c.Stacks[name]; c.Repositories[s.Repository] == nil || !fs.ValidPath(s.Directory) || !projectRule.MatchString(s.Project) {
				t.Errorf("stack %+v", s)
			}
		}
	})
}
