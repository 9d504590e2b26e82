package project

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deployer/secrets"
)

func TestMountsAreRewritten(t *testing.T) {
	files := map[string]string{
		"app/conf/a.conf":     "a",
		"app/html/index.html": "<p>",
		"app/data/.gitkeep":   "",
		"app/data/x/.gitkeep": "",
		"shared/s.conf":       "s",
		"app/entry.sh*":       "#!/bin/sh",
	}
	for name, test := range map[string]struct {
		lines []string
		want  Mount // Service and Target are the same in all
		warn  string
	}{
		"read-only file, short": {[]string{`volumes: ["./conf/a.conf:/t:ro"]`},
			Mount{Kind: MountObject, Path: "app/conf/a.conf", Host: "/d/objects/HASH/a.conf", ReadOnly: true}, ""},
		"read-only file, long": {[]string{`volumes: [{type: bind, source: ./conf/a.conf, target: /t, read_only: true}]`},
			Mount{Kind: MountObject, Path: "app/conf/a.conf", Host: "/d/objects/HASH/a.conf", ReadOnly: true}, ""},
		"read-only folder": {[]string{`volumes: ["./html:/t:ro"]`},
			Mount{Kind: MountObject, Path: "app/html", Host: "/d/objects/HASH/html", Dir: true, ReadOnly: true}, ""},
		"writable file": {[]string{`volumes: ["./conf/a.conf:/t"]`},
			Mount{Kind: MountCopy, Path: "app/conf/a.conf", Host: "/d/copies/web/HASH/a.conf"},
			"service web mounts ./conf/a.conf writable"},
		"writable folder that is kept": {[]string{`volumes: ["./html:/t"]`, `x-deployer: {files: keep}`},
			Mount{Kind: MountData, Path: "app/html", Host: "/d/data/html", Dir: true, Seed: true}, ""},
		"writable folder that is kept by path": {[]string{`volumes: ["./html:/t"]`, `x-deployer: {files: {./html: keep}}`},
			Mount{Kind: MountData, Path: "app/html", Host: "/d/data/html", Dir: true, Seed: true}, ""},
		"folder adopted": {[]string{`volumes: ["./data:/t"]`, `x-deployer: {files: {./data: /srv/old}}`},
			Mount{Kind: MountHost, Host: "/srv/old"}, ""},
		"placeholders": {[]string{`volumes: ["./data:/t"]`},
			Mount{Kind: MountData, Path: "app/data", Host: "/d/data/data", Dir: true}, ""},
		"untracked": {[]string{`volumes: ["./var/lib:/t"]`},
			Mount{Kind: MountData, Path: "app/var/lib", Host: "/d/data/var/lib", Dir: true}, ""},
		"untracked outside the folder": {[]string{`volumes: ["../var:/t"]`},
			Mount{Kind: MountData, Path: "var", Host: "/d/data/_tree/var", Dir: true}, ""},
		"tracked outside the folder": {[]string{`volumes: ["../shared/s.conf:/t:ro"]`},
			Mount{Kind: MountObject, Path: "shared/s.conf", Host: "/d/objects/HASH/s.conf", ReadOnly: true}, ""},
		"the folder itself": {[]string{`volumes: [".:/t:ro"]`},
			Mount{Kind: MountObject, Path: "app", Host: "/d/objects/HASH/app", Dir: true, ReadOnly: true},
			"mounts the whole folder of the stack"},
		"host path": {[]string{`volumes: ["/var/run/docker.sock:/t:ro"]`},
			Mount{Kind: MountHost, Host: "/var/run/docker.sock", ReadOnly: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"app/compose.yaml": compose(test.lines...)}
			for p, content := range files {
				all[p] = content
			}
			src := source(all)
			src.Dir = "app"
			p := mustLoad(t, src)
			test.want.Service, test.want.Target = "web", "/t"
			if strings.Contains(test.want.Host, "HASH") {
				var err error
				if test.want.Hash, err = src.Tree.Hash(test.want.Path); err != nil {
					t.Fatal(err)
				}
				test.want.Host = strings.Replace(test.want.Host, "HASH", test.want.Hash, 1)
			}
			if diff := cmp.Diff([]Mount{test.want}, p.Mounts, cmp.AllowUnexported(secrets.Value{})); diff != "" {
				t.Error(diff)
			}
			v := p.Compose.Services["web"].Volumes[0]
			if v.Type != "bind" || v.Source != test.want.Host || v.ReadOnly != test.want.ReadOnly {
				t.Errorf("compose mounts %+v", v)
			}
			if tracked := test.want.Hash != ""; tracked && bool(v.Bind.CreateHostPath) {
				t.Error("the Engine would make up an empty folder")
			}
			if got := strings.Join(p.Warnings, "\n"); test.warn == "" && got != "" || !strings.Contains(got, test.warn) {
				t.Errorf("warnings %q, want %q", got, test.warn)
			}
		})
	}
}

func TestConfigsAndSecretsBecomeMounts(t *testing.T) {
	files := map[string]string{
		"compose.yaml": compose(
			"user: \"1000:1001\"",
			"configs: [conf, {source: inline, target: /etc/inline, mode: 0444}]",
			"secrets: [file, {source: token, target: renamed, mode: 0440, uid: \"7\"}]",
		) + `configs:
  conf: {file: ./app.conf}
  inline: {content: "user=${USER_NAME}"}
secrets:
  file: {file: ./host.key}
  token: {environment: TOKEN}
`,
		"app.conf": "conf",
	}
	p := mustLoad(t, source(files, "TOKEN!=s3cret-token", "USER_NAME=bob"))
	got := map[string]string{}
	for _, m := range p.Mounts {
		got[m.Target] = fmt.Sprintf("%s %s %v %04o %d:%d %q", m.Kind, m.Path, m.ReadOnly, m.Mode, m.UID, m.GID, m.Content.Reveal())
	}
	want := map[string]string{
		"/conf":                `object app.conf true 0000 0:0 ""`,
		"/etc/inline":          `secret  true 0444 1000:1001 "user=bob"`,
		"/run/secrets/file":    `data host.key true 0000 0:0 ""`,
		"/run/secrets/renamed": `secret  true 0440 7:1001 "s3cret-token"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	web := p.Compose.Services["web"]
	if web.Configs != nil || web.Secrets != nil || len(web.Volumes) != 4 || len(p.Compose.Secrets)+len(p.Compose.Configs) != 0 {
		t.Errorf("compose still has %v %v %v", web.Configs, web.Secrets, p.Compose.Secrets)
	}
	if want := "service web: ./host.key is not in Git; put it on the host as /d/data/host.key"; !slices.Contains(p.Warnings, want) {
		t.Errorf("warnings %q, want %q", p.Warnings, want)
	}

	other := mustLoad(t, source(files, "TOKEN!=another-token", "USER_NAME=bob"))
	if p.Fingerprint(digest) == other.Fingerprint(digest) {
		t.Error("another secret, the same fingerprint")
	}
	if d := Compare(p, other); d.Why("web") != "mounts: /run/secrets/renamed" {
		t.Errorf("why %q", d.Why("web"))
	}
}

func TestMountOfTheEnvFileWarns(t *testing.T) {
	src := source(map[string]string{"compose.yaml": compose(`volumes: [".:/all:ro"]`), ".env.production": "", ".sops.yaml": ""})
	p := mustLoad(t, src)
	if want := "service web mounts the folder ./ with the env file and .sops.yaml in it; mount only what it needs"; !slices.Contains(p.Warnings, want) {
		t.Errorf("warnings %q, want %q", p.Warnings, want)
	}
}

func TestNamedVolumeThatBindsAFolderIsPlaced(t *testing.T) {
	p := mustLoad(t, source(map[string]string{
		"compose.yaml": compose(`volumes: ["v:/v"]`) + "volumes: {v: {driver: local, driver_opts: {o: bind, type: none, device: ./d}}}\n",
		"d/.gitkeep":   "",
	}))
	if device := p.Compose.Volumes["v"].DriverOpts["device"]; device != "/d/data/d" {
		t.Errorf("device %s", device)
	}
	if len(p.Mounts) != 1 || p.Mounts[0].Kind != MountData || p.Mounts[0].Host != "/d/data/d" {
		t.Errorf("mounts %+v", p.Mounts)
	}
	if p.Compose.Volumes["v"].Name != "shop_v" {
		t.Errorf("volume %+v", p.Compose.Volumes["v"])
	}
}

func TestNeverRollbackAndBuilds(t *testing.T) {
	p := mustLoad(t, source(map[string]string{
		"compose.yaml": compose("x-deployer: {rollback: never}", "build: {context: ./src}"),
	}))
	if !slices.Equal(p.NeverRollback, []string{"web"}) || !slices.Equal(p.Builds(), []string{"web"}) {
		t.Errorf("never back %v, builds %v", p.NeverRollback, p.Builds())
	}
	if context := p.Compose.Services["web"].Build.Context; context != "src" {
		t.Errorf("build context %q", context)
	}
	p.PinImages(map[string]Image{"web": {Ref: "sha256:1", ID: "sha256:1"}})
	web := p.Compose.Services["web"]
	if web.Image != "sha256:1" || web.PullPolicy != "never" || web.Build != nil || len(p.Builds()) > 0 {
		t.Errorf("pinned %s %s %v", web.Image, web.PullPolicy, web.Build)
	}
	if p.Images["web"].Ref != "nginx:1.27" {
		t.Errorf("reference %q, want the compose file's", p.Images["web"].Ref)
	}
}
