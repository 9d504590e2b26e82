package project

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"deployer/secrets"
)

// sealedStack is a stack of two services: web mounts a YAML config and a key
// that SOPS encrypted, other a plain file.
func sealedStack(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	all := map[string]string{
		"compose.yaml": `services:
  web:
    image: nginx:1.27
    user: "1000"
    configs: [{source: app, target: /etc/app.yaml, mode: 0440}]
    secrets: [key]
  other:
    image: nginx:1.27
    configs: [plain]
configs: {app: {file: ./app.yaml}, plain: {file: ./plain.conf}}
secrets: {key: {file: ./tls.key}}
`,
		"app.yaml":   sealedFile(t, "app.yaml", "host: public-host\npassword: correct-horse\n", "password"),
		"tls.key":    sealedFile(t, "tls.key", "-----BEGIN KEY-----\nbattery-staple\n", ""),
		"plain.conf": "plain",
	}
	maps.Copy(all, files)
	return all
}

func mountOf(t *testing.T, p *Project, service, target string) Mount {
	t.Helper()
	at := slices.IndexFunc(p.Mounts, func(m Mount) bool { return m.Service == service && m.Target == target })
	if at < 0 {
		t.Fatalf("%s mounts nothing at %s: %+v", service, target, p.Mounts)
	}
	return p.Mounts[at]
}

func TestSealedFilesAreMountedInPlainFromMemory(t *testing.T) {
	src := source(sealedStack(t, nil))
	p := mustLoad(t, src)
	app, key := mountOf(t, p, "web", "/etc/app.yaml"), mountOf(t, p, "web", "/run/secrets/key")
	for _, tt := range []struct {
		m       Mount
		path    string
		content string
		mode    fs.FileMode
	}{
		{app, "app.yaml", "host: public-host\npassword: correct-horse\n", 0o440},
		{key, "tls.key", "-----BEGIN KEY-----\nbattery-staple\n", 0},
	} {
		if tt.m.Kind != MountSecret || tt.m.Path != tt.path || tt.m.Mode != tt.mode || tt.m.UID != 1000 || !tt.m.ReadOnly || tt.m.Content.Reveal() != tt.content {
			t.Errorf("%s is mounted as %+v with %q", tt.path, tt.m, tt.m.Content.Reveal())
		}
		if filepath.Dir(tt.m.Host) != src.Roots.Secrets || strings.Contains(tt.m.Host, "key.") {
			t.Errorf("%s lies at %s", tt.path, tt.m.Host)
		}
	}
	if m := mountOf(t, p, "other", "/plain"); m.Kind != MountObject {
		t.Errorf("the plain file is %+v", m)
	}
	var hidden []string
	for _, v := range p.Secrets() {
		hidden = append(hidden, v.Reveal())
	}
	for _, want := range []string{"correct-horse", "battery-staple"} {
		if !slices.Contains(hidden, want) || !p.taint.secret("x "+want) {
			t.Errorf("%s is not known as a secret: %q", want, hidden)
		}
	}
	if text := strings.Join(hidden, "\n"); strings.Contains(text, "public-host") {
		t.Errorf("what SOPS left in clear is taken for a secret: %q", hidden)
	}
	if !slices.Contains(p.Reads, "app.yaml") || !slices.Contains(p.Reads, "tls.key") {
		t.Errorf("reads %v", p.Reads)
	}
	if err := p.CheckContent(src.Tree); err != nil {
		t.Error(err)
	}
}

func TestSealedFileIsKnownByItsContent(t *testing.T) {
	files := sealedStack(t, nil)
	before := mustLoad(t, source(files))
	for name, tt := range map[string]struct {
		file, content string
		reasons       string // of web; empty: the same containers
		same          bool   // the same release
	}{
		"encrypted anew":   {"app.yaml", sealedFile(t, "app.yaml", "host: public-host\npassword: correct-horse\n", "password"), "", true},
		"key anew":         {"tls.key", sealedFile(t, "tls.key", "-----BEGIN KEY-----\nbattery-staple\n", ""), "", true},
		"another value":    {"app.yaml", sealedFile(t, "app.yaml", "host: public-host\npassword: correct-house\n", "password"), "mounts: ./app.yaml", false},
		"another clear":    {"app.yaml", sealedFile(t, "app.yaml", "host: another-host\npassword: correct-horse\n", "password"), "mounts: ./app.yaml", false},
		"another key":      {"tls.key", sealedFile(t, "tls.key", "other", ""), "mounts: ./tls.key", false},
		"in clear":         {"app.yaml", "host: public-host\npassword: correct-horse\n", "mounts: ./app.yaml", false},
		"less of it":       {"app.yaml", sealedFile(t, "app.yaml", "host: public-host\npassword: correct-horse\n", "host"), "", false},
		"as another's too": {"plain.conf", sealedFile(t, "plain.conf", "plain", ""), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			changed := maps.Clone(files)
			changed[tt.file] = tt.content
			after := mustLoad(t, source(changed))
			if same := before.Fingerprint(digest) == after.Fingerprint(digest); same != tt.same {
				t.Errorf("the same release: %v", same)
			}
			d := Compare(before, after)
			web, _ := d.Service("web")
			if got := strings.Join(web.Reasons, "; "); got != tt.reasons {
				t.Errorf("web is recreated since %q, want %q", got, tt.reasons)
			}
			if _, other := d.Service("other"); other != (tt.file == "plain.conf") {
				t.Errorf("other is recreated: %v", other)
			}
			listed := slices.ContainsFunc(Detail(before, after).Files, func(f FileDifference) bool { return f.Path == "./"+tt.file && f.Action == Changed })
			if want := tt.reasons != "" || tt.file == "plain.conf"; listed != want {
				t.Errorf("the plan lists the file: %v", listed)
			}
		})
	}
}

func TestKeptReleaseHasItsSealedFiles(t *testing.T) {
	files := sealedStack(t, nil)
	src := source(files)
	src.Roots = rootsIn(t.TempDir())
	p := mustLoad(t, src)
	encoded, err := p.Recipe().Encode()
	if err != nil {
		t.Fatal(err)
	}
	recipe, err := DecodeRecipe(encoded)
	if err != nil {
		t.Fatal(err)
	}
	src.Tree, src.OpenFile = recipe, nil // neither Git nor a key
	again := mustLoad(t, src)
	if p.Fingerprint(digest) != again.Fingerprint(digest) {
		t.Errorf("another fingerprint; %+v", Compare(p, again))
	}
	// After a reboot the folder is empty.
	m := mountOf(t, again, "web", "/run/secrets/key")
	m.UID = 0
	if err := Materialise(recipe, []Mount{m}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(m.Host)
	info, _ := os.Stat(m.Host)
	if err != nil || string(data) != "-----BEGIN KEY-----\nbattery-staple\n" || info.Mode() != 0o600 {
		t.Errorf("%v %q, %v", info.Mode(), data, err)
	}
	if !again.taint.secret("correct-horse") {
		t.Error("what is secret is no longer known")
	}
	if encoded, err = again.Recipe().Encode(); err != nil {
		t.Fatal(err)
	}
	if twice, err := DecodeRecipe(encoded); err != nil || len(twice.sealed) != 2 {
		t.Errorf("kept again it has %d files, %v", len(twice.sealed), err)
	}
}

func TestRecipeWithoutSealedFilesIsAsBefore(t *testing.T) {
	for version, src := range map[string]Source{`"version":1,`: kept(t), `"version":2,`: source(sealedStack(t, nil))} {
		encoded, err := mustLoad(t, src).Recipe().Encode()
		if err != nil || !strings.HasPrefix(string(encoded), "{"+version) {
			t.Errorf("%.20s, %v; want %s", encoded, err, version)
		}
	}
}

func TestSealedFileThatCannotBeOpenedIsRefused(t *testing.T) {
	_, stranger, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := secrets.EncryptFile("tls.key", []byte("canary"), []string{stranger}, "")
	if err != nil {
		t.Fatal(err)
	}
	src := source(sealedStack(t, map[string]string{"tls.key": string(foreign)}))
	_ = mustFail(t, src, "service web: secret key", "tls.key: no key at hand")
	src = source(sealedStack(t, nil))
	src.OpenFile = nil
	_ = mustFail(t, src, "config app", "app.yaml is encrypted")
}

func mustFail(t *testing.T, src Source, want ...string) error {
	t.Helper()
	_, err := Load(context.Background(), src)
	if err == nil {
		t.Fatal("it loads")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error does not say %q: %v", w, err)
		}
	}
	return err
}

func TestBindOfASealedFileIsRefused(t *testing.T) {
	file := sealedFile(t, "app.yaml", "a: canary\n", "")
	files := func(volumes string) map[string]string {
		return map[string]string{"compose.yaml": compose("volumes: [" + volumes + "]"), "app.yaml": file, "conf/app.yaml": file, "conf/plain.yaml": "a: b\n"}
	}
	for _, volume := range []string{`"./app.yaml:/a:ro"`, `"./app.yaml:/a"`, `{type: bind, source: ./conf/app.yaml, target: /a, read_only: true}`} {
		err := mustFail(t, source(files(volume)), "mount at /a", "app.yaml is encrypted with SOPS", "ciphertext")
		var refused *SealedMountError
		if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "secrets:") {
			t.Errorf("no remedy in %v", err)
		}
	}
	p := mustLoad(t, source(files(`"./conf:/conf:ro"`)))
	if text := strings.Join(p.Warnings, "\n"); !strings.Contains(text, "./conf/app.yaml as ciphertext") || strings.Contains(text, "plain.yaml") {
		t.Errorf("warnings %q", text)
	}
	if p := mustLoad(t, source(files(`"./conf/plain.yaml:/p:ro"`))); len(p.Warnings) > 0 {
		t.Errorf("warnings %q", p.Warnings)
	}
}

func TestSecretsInClearAreListed(t *testing.T) {
	p := mustLoad(t, source(sealedStack(t, map[string]string{"tls.key": "in clear"})))
	if !slices.Equal(p.ClearSecrets, []string{"tls.key"}) {
		t.Errorf("%q", p.ClearSecrets)
	}
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "./tls.key is in Git in clear") {
		t.Errorf("warnings %q", p.Warnings)
	}
	if p := mustLoad(t, source(sealedStack(t, nil))); len(p.ClearSecrets)+len(p.Warnings) > 0 {
		t.Errorf("%q, warnings %q", p.ClearSecrets, p.Warnings)
	}
}
