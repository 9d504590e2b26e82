package policy_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"deployer/project"
	"deployer/project/policy"
	"deployer/secrets"
)

var host = policy.Host{
	Own:     []string{"/var/lib/deployer", "/etc/deployer/age.key", "/dev/shm/deployer"},
	Sockets: []string{"/srv/engine/docker.sock"},
}

// good is a stack that does what it can for its own safety.
var good = policy.Safeguards{EnvFile: ".env", Encrypted: true, Verified: true, RollsBack: true}

// load resolves compose files as a run does.
func load(t *testing.T, files map[string]string, vars ...string) *project.Project {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := project.OpenDirTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	var env []secrets.Var
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		env = append(env, secrets.Var{Name: name, Value: secrets.NewValue(value)})
	}
	p, err := project.Load(context.Background(), project.Source{
		Tree: tree, Dir: ".", Name: "shop", Env: secrets.NewEnv(".env", true, env),
		Roots:  project.Roots{Objects: "/var/lib/deployer/objects", Copies: "/var/lib/deployer/stacks/shop/copies", Data: "/var/lib/deployer/stacks/shop/data", Secrets: "/dev/shm/deployer/shop"},
		Digest: func(...[]byte) string { return strings.Repeat("ab", 32) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// web is a compose file of one service with more lines of it, and of the top level.
func web(lines ...string) string {
	text := "services:\n  web:\n    image: nginx:1.27\n"
	for _, line := range lines {
		if top, ok := strings.CutPrefix(line, "top "); ok {
			text += top + "\n"
			continue
		}
		text += "    " + line + "\n"
	}
	return text
}

func judge(t *testing.T, base string, allow, deny []string, p *project.Project, s policy.Safeguards) []policy.Refusal {
	t.Helper()
	pol, err := policy.New(base, allow, deny, host)
	if err != nil {
		t.Fatal(err)
	}
	return pol.Judge(p, s)
}

func rulesOf(refusals []policy.Refusal) []string {
	var out []string
	for _, r := range refusals {
		out = append(out, r.Rule)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Each row is refused from its base on, not below, and not where it is allowed.
var rows = []struct {
	name  string
	base  string // none | baseline | strict | deny
	rules []string
	allow []string // lifts exactly this
	lines []string
}{
	{"privileged", "baseline", []string{"privileged"}, []string{"privileged"}, []string{"privileged: true"}},
	{"privileged hook", "baseline", []string{"privileged"}, []string{"privileged"}, []string{`post_start: [{command: "id", user: root, privileged: true}]`}},
	{"privileged pre_start", "baseline", []string{"privileged"}, []string{"privileged"}, []string{`pre_start: [{command: "id", privileged: true}]`}},
	{"privileged build", "baseline", []string{"privileged"}, []string{"privileged"}, []string{"build: {context: ., privileged: true}"}},
	{"insecure build", "baseline", []string{"privileged"}, []string{"privileged"}, []string{"build: {context: ., entitlements: [security.insecure]}"}},
	{"build on the host's network", "baseline", []string{"host_network"}, []string{"host_network"}, []string{"build: {context: ., network: host}"}},
	{"build on a container's network", "baseline", []string{"container_namespace"}, []string{"container_namespace"}, []string{"build: {context: ., network: \"container:other\"}"}},
	{"network_mode", "baseline", []string{"host_network"}, []string{"host_network"}, []string{"network_mode: host"}},
	{"network named host", "baseline", []string{"host_network"}, []string{"host_network"}, []string{"networks: [n]", "top networks: {n: {external: true, name: host}}"}},
	{"network of driver host", "baseline", []string{"host_network"}, []string{"host_network"}, []string{"networks: [n]", "top networks: {n: {driver: host}}"}},
	{"pid", "baseline", []string{"host_pid"}, []string{"host_pid"}, []string{"pid: host"}},
	{"pid of a container", "baseline", []string{"container_namespace"}, []string{"container_namespace"}, []string{`pid: "container:other"`}},
	{"network of a container", "baseline", []string{"container_namespace"}, []string{"container_namespace"}, []string{`network_mode: "container:other"`}},
	{"ipc", "baseline", []string{"host_ipc"}, []string{"host_ipc"}, []string{"ipc: host"}},
	{"uts", "baseline", []string{"host_uts"}, []string{"host_uts"}, []string{"uts: host"}},
	{"userns", "baseline", []string{"host_userns"}, []string{"host_userns"}, []string{"userns_mode: host"}},
	{"cgroup", "baseline", []string{"host_cgroup"}, []string{"host_cgroup"}, []string{"cgroup: host"}},
	{"volumes_from", "baseline", []string{"volumes_from"}, []string{"volumes_from"}, []string{`volumes_from: ["container:other:ro"]`}},
	{"capability", "baseline", []string{"capability"}, []string{"capability:SYS_ADMIN"}, []string{"cap_add: [SYS_ADMIN]"}},
	{"capability, other spelling", "baseline", []string{"capability"}, []string{"capability:SYS_ADMIN"}, []string{"cap_add: [cap_sys_admin]"}},
	{"all capabilities", "baseline", []string{"capability"}, []string{"capability"}, []string{"cap_add: [all]"}},
	{"lesser capability", "strict", []string{"capability"}, []string{"capability:NET_ADMIN"}, []string{"cap_add: [NET_ADMIN]"}},
	{"device", "baseline", []string{"device"}, []string{"device:/dev/sda"}, []string{`devices: ["/dev/sda:/dev/xvda:r"]`}},
	{"device, long", "baseline", []string{"device"}, []string{"device:/dev/sda"}, []string{`devices: [{source: /dev/sda, target: /dev/xvda, permissions: r}]`}},
	{"device rule", "baseline", []string{"device"}, []string{"device"}, []string{`device_cgroup_rules: ["b 8:0 rwm"]`}},
	{"gpus", "strict", []string{"gpu"}, []string{"gpu"}, []string{"gpus: all"}},
	{"reserved gpus", "strict", []string{"gpu"}, []string{"gpu"}, []string{"deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}"}},
	{"device by a reservation", "baseline", []string{"device"}, []string{"device:vendor.com/class=disk"}, []string{"deploy: {resources: {reservations: {devices: [{driver: cdi, device_ids: [vendor.com/class=disk], capabilities: [x]}]}}}"}},
	{"device by gpus", "baseline", []string{"device"}, []string{"device:vendor.com/class=disk"}, []string{"gpus: [{driver: cdi, device_ids: [vendor.com/class=disk]}]"}},
	{"seccomp", "baseline", []string{"security_opt"}, []string{"security_opt:seccomp:unconfined"}, []string{"security_opt: [\"seccomp:unconfined\"]"}},
	{"seccomp, other spelling", "baseline", []string{"security_opt"}, []string{"security_opt"}, []string{"security_opt: [seccomp=unconfined]"}},
	{"apparmor", "baseline", []string{"security_opt"}, []string{"security_opt"}, []string{"security_opt: [\"apparmor:unconfined\"]"}},
	{"no-new-privileges", "baseline", []string{"security_opt"}, []string{"security_opt"}, []string{"security_opt: [\"no-new-privileges:false\"]"}},
	{"no-new-privileges, other spelling", "baseline", []string{"security_opt"}, []string{"security_opt"}, []string{"security_opt: [\"no-new-privileges=F\"]"}},
	{"SELinux off", "baseline", []string{"security_opt"}, []string{"security_opt"}, []string{"security_opt: [\"label:disable\"]"}},
	{"SELinux type", "baseline", []string{"security_opt"}, []string{"security_opt"}, []string{"security_opt: [\"label=type:spc_t\"]"}},
	{"system paths", "baseline", []string{"security_opt"}, []string{"security_opt"}, []string{"security_opt: [systempaths=unconfined]"}},

	{"socket", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{`volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]`}},
	{"socket, long", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{`volumes: [{type: bind, source: /run/docker.sock, target: /s}]`}},
	{"socket, unclean", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{`volumes: ["/srv/../var/run//docker.sock:/s"]`}},
	{"socket of the Engine's own containerd", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{`volumes: ["/var/run/docker/containerd/containerd.sock:/s"]`}},
	{"socket of the target", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{`volumes: ["/srv/engine/docker.sock:/s"]`}},
	{"socket by its API key", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{"use_api_socket: true"}},
	{"socket of pre_start", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{`pre_start: [{command: "id", volumes: ["/run/docker.sock:/s"]}]`}},
	{"folder of the target's socket", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{`volumes: ["/srv/engine:/s"]`}},
	{"deployer's key", "none", []string{"deployer_files"}, []string{"deployer_files"}, []string{`volumes: ["/etc/deployer/age.key:/k:ro"]`}},
	{"deployer's data", "none", []string{"deployer_files"}, []string{"deployer_files:/var/lib/deployer/server.key"}, []string{`volumes: [{type: bind, source: /var/lib/deployer/server.key, target: /k}]`}},
	{"deployer's tmpfs", "none", []string{"deployer_files"}, []string{"deployer_files"}, []string{`volumes: ["/dev/shm/deployer/other:/k"]`}},

	{"sensitive path", "baseline", []string{"host_path"}, []string{"host_path:/etc/ssh"}, []string{`volumes: ["/etc/ssh:/x:ro"]`}},
	{"scripts that root runs at the next boot", "baseline", []string{"host_path"}, []string{"host_path:/var/lib/cloud"}, []string{`volumes: ["/var/lib/cloud/scripts:/x"]`}},
	{"scripts that root runs with the next package", "baseline", []string{"host_path"}, []string{"host_path:/var/lib/dpkg"}, []string{`volumes: ["/var/lib/dpkg/info:/x"]`}},
	{"sensitive path, long", "baseline", []string{"host_path"}, []string{"host_path:/root"}, []string{`volumes: [{type: bind, source: /root/.ssh, target: /x, read_only: true}]`}},
	{"writable zone", "baseline", []string{"host_path"}, []string{"host_path:/etc/localtime"}, []string{`volumes: ["/etc/localtime:/etc/localtime"]`}},
	{"zone", "strict", []string{"host_path"}, []string{"host_path:/etc/localtime"}, []string{`volumes: ["/etc/localtime:/etc/localtime:ro"]`}},
	{"any path", "strict", []string{"host_path"}, []string{"host_path:/srv"}, []string{`volumes: ["/srv/data:/x"]`}},
	{"adopted files", "strict", []string{"host_path"}, []string{"host_path:/srv/old"}, []string{`volumes: ["./data:/x"]`, "x-deployer: {files: {./data: /srv/old}}"}},
	{"adopted sensitive files", "baseline", []string{"host_path"}, []string{"host_path:/etc/app"}, []string{`volumes: ["./data:/x"]`, "x-deployer: {files: {./data: /etc/app}}"}},
	{"volume that binds", "baseline", []string{"host_path"}, []string{"host_path:/root"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: none, o: bind, device: /root}}}`}},
	{"volume that binds, other options", "baseline", []string{"host_path"}, []string{"host_path:/root"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver: local, driver_opts: {o: "rw,rbind", device: /root}}}`}},
	{"volume of a disk", "baseline", []string{"host_path", "volume_driver"}, []string{"host_path:/dev/sda1", "volume_driver:ext4"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: ext4, device: /dev/sda1}}}`}},
	{"volume that overlays", "baseline", []string{"host_path", "volume_driver"}, []string{"host_path:/root", "host_path:/srv", "volume_driver"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: overlay, device: overlay, o: "lowerdir=/root,upperdir=/srv/u,workdir=/srv/w"}}}`}},
	{"volume of processes", "baseline", []string{"volume_driver"}, []string{"volume_driver:proc"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: proc, device: proc}}}`}},
	{"volume of the socket", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: none, o: bind, device: /srv/engine}}}`}},
	{"volume of a share", "strict", []string{"volume_driver"}, []string{"volume_driver:nfs"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: nfs, o: "addr=10.0.0.1", device: ":/x"}}}`}},
	{"volume that binds, as memory", "baseline", []string{"host_path"}, []string{"host_path:/root"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: tmpfs, o: "size=1m,bind", device: /root}}}`}},
	{"volume that binds, as a share", "baseline", []string{"host_path"}, []string{"host_path:/root"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: nfs, o: rbind, device: /root}}}`}},
	{"volume that binds the socket, as memory", "none", []string{"docker_socket"}, []string{"docker_socket"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver_opts: {type: tmpfs, o: bind, device: /srv/engine}}}`}},
	{"volume of a driver that binds", "baseline", []string{"host_path"}, []string{"host_path:/root"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver: local-persist, driver_opts: {mountpoint: /root}}}`}},
	{"volume of a driver", "strict", []string{"volume_driver"}, []string{"volume_driver:rclone"}, []string{"volumes: [\"v:/x\"]", `top volumes: {v: {driver: rclone}}`}},

	{"low port", "strict", []string{"published_port"}, []string{"published_port:443"}, []string{`ports: ["127.0.0.1:443:443"]`}},
	{"port on all addresses", "strict", []string{"published_port"}, []string{"published_port:8443"}, []string{`ports: ["8443:443"]`}},
	{"port on all addresses, long", "strict", []string{"published_port"}, []string{"published_port:8443"}, []string{`ports: [{target: 443, published: "8443", host_ip: "::"}]`}},
	{"range of ports", "strict", []string{"published_port"}, []string{"published_port:8000-8100"}, []string{`ports: [{target: 80, published: "8000-8010"}]`}},
	{"a port that the Engine chooses", "strict", []string{"published_port"}, []string{"published_port"}, []string{`ports: ["443"]`}},
	{"latest", "strict", []string{"latest_tag"}, []string{"latest_tag"}, []string{"image: nginx:latest"}},
	{"latest of a mounted image", "strict", []string{"latest_tag"}, []string{"latest_tag"}, []string{"volumes: [{type: image, source: ghcr.io/acme/data, target: /d}]"}},
	{"no tag", "strict", []string{"latest_tag"}, []string{"latest_tag"}, []string{"image: registry.example.com:5000/nginx"}},
	{"no digest", "deny", []string{"no_digest"}, nil, []string{"image: nginx:1.27"}},
	{"registry", "deny", []string{"registry"}, []string{"registry:docker.io/library"}, []string{"image: nginx:1.27"}},
	{"registry of an organisation", "deny", []string{"registry"}, []string{"registry:ghcr.io/acme"}, []string{"image: ghcr.io/acme/app:1"}},
	{"registry of a mounted image", "deny", []string{"registry"}, []string{"registry:ghcr.io/acme", "registry:docker.io"}, []string{"volumes: [{type: image, source: \"ghcr.io/acme/data:1\", target: /d}]"}},
	{"cgroup_parent", "strict", []string{"cgroup_parent"}, []string{"cgroup_parent"}, []string{"cgroup_parent: /system.slice"}},
	{"sysctl", "strict", []string{"sysctl"}, []string{"sysctl:net.core.somaxconn"}, []string{"sysctls: {net.core.somaxconn: 1024}"}},
	{"sysctl, list", "strict", []string{"sysctl"}, []string{"sysctl:net.core.somaxconn"}, []string{"sysctls: [net.core.somaxconn=1024]"}},
	{"runtime", "strict", []string{"runtime"}, []string{"runtime:nvidia"}, []string{"runtime: nvidia"}},
}

func TestRules(t *testing.T) {
	below := map[string]string{"baseline": "none", "strict": "baseline", "deny": "strict"}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var lines []string
			text := ""
			if strings.HasPrefix(row.lines[0], "image: ") {
				text = strings.Replace(web(row.lines[1:]...), "image: nginx:1.27", row.lines[0], 1)
			} else {
				lines = row.lines
				text = web(lines...)
			}
			p := load(t, map[string]string{"compose.yaml": text, "Dockerfile": "FROM scratch\n"})
			base, deny := row.base, []string(nil)
			if base == "deny" {
				base, deny = "none", row.rules
			}
			got := judge(t, base, nil, deny, p, good)
			if !slices.Equal(rulesOf(got), row.rules) {
				t.Errorf("%s refuses %v, want %v", row.base, got, row.rules)
			}
			for _, r := range got {
				if r.Subject == "" || r.What == "" || r.Why == "" || !strings.Contains(r.Remedy, "allow: [") {
					t.Errorf("a refusal lacks something: %+v", r)
				}
			}
			if lower, ok := below[row.base]; ok {
				if got := judge(t, lower, nil, nil, p, good); len(got) > 0 {
					t.Errorf("%s refuses %v", lower, got)
				}
			}
			if row.allow != nil {
				if got := judge(t, base, row.allow, deny, p, good); len(got) > 0 {
					t.Errorf("with allow %v it refuses %v", row.allow, got)
				}
			}
			if got := judge(t, base, []string{"cgroup_parent"}, deny, p, good); row.name != "cgroup_parent" && !slices.Equal(rulesOf(got), row.rules) {
				t.Errorf("allowing another rule makes it %v", got)
			}
		})
	}
}

// Every rule has a row above or a test below.
func TestEveryRuleIsTested(t *testing.T) {
	tested := map[string]bool{"unverified": true, "unencrypted": true, "no_rollback": true}
	for _, row := range rows {
		for _, r := range row.rules {
			tested[r] = true
		}
	}
	for name := range policy.Rules() {
		if !tested[name] {
			t.Errorf("rule %s has no test", name)
		}
	}
}

func TestParentFoldersShowWhatIsInThem(t *testing.T) {
	for source, want := range map[string][]string{
		"/":                  {"deployer_files", "docker_socket", "host_path"},
		"/var":               {"deployer_files", "docker_socket", "host_path"},
		"/var/lib":           {"deployer_files", "host_path"},
		"/var/run":           {"docker_socket", "host_path"},
		"/run":               {"docker_socket", "host_path"},
		"/run/containerd":    {"docker_socket", "host_path"},
		"/etc":               {"deployer_files", "host_path"},
		"/etc/deployer":      {"deployer_files", "host_path"},
		"/dev/shm":           {"deployer_files", "host_path"},
		"/var/lib/deployer2": nil,
		"/runner":            nil,
		"/srv":               {"docker_socket"},
		"/srv/enginex":       nil,
	} {
		for _, mount := range []string{fmt.Sprintf("volumes: [%q]", source+":/x:ro"), fmt.Sprintf("volumes: [{type: bind, source: %q, target: /x}]", source)} {
			got := rulesOf(judge(t, "baseline", nil, nil, load(t, map[string]string{"compose.yaml": web(mount)}), good))
			if !slices.Equal(got, want) {
				t.Errorf("%s: refused by %v, want %v", mount, got, want)
			}
		}
	}
}

func TestSafeguards(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": web()})
	bad := policy.Safeguards{EnvFile: ".env"}
	if got := rulesOf(judge(t, "strict", nil, nil, p, bad)); !slices.Equal(got, []string{"no_rollback", "unencrypted", "unverified"}) {
		t.Error(got)
	}
	if got := judge(t, "baseline", nil, nil, p, bad); len(got) > 0 {
		t.Error(got)
	}
	if got := rulesOf(judge(t, "none", nil, []string{"unencrypted"}, p, bad)); !slices.Equal(got, []string{"unencrypted"}) {
		t.Error(got)
	}
	if got := judge(t, "strict", []string{"unverified"}, nil, p, policy.Safeguards{RollsBack: true}); len(got) > 0 {
		t.Error(got)
	}
}

func TestSecretsInClearAreRefused(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": web("secrets: [key]", "configs: [conf]") + "secrets: {key: {file: ./tls.key}}\nconfigs: {conf: {file: ./a.conf}}\n",
		"tls.key": "in clear", "a.conf": "in clear"})
	refused := judge(t, "strict", nil, nil, p, good)
	if !slices.Equal(rulesOf(refused), []string{"unencrypted"}) || !strings.Contains(refused[0].What, "tls.key") || !strings.Contains(refused[0].Remedy, "secrets encrypt tls.key") {
		t.Errorf("%+v", refused)
	}
	for base, allow := range map[string][]string{"baseline": nil, "strict": {"unencrypted:tls.key"}} {
		if got := judge(t, base, allow, nil, p, good); len(got) > 0 {
			t.Errorf("%s: %+v", base, got)
		}
	}
}

// What reaches a service by another file, an anchor or a variable is judged
// like what stands there.
func TestNothingHidesFromTheResolvedProject(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"include":         {"compose.yaml": "include: [d/evil.yaml]\nservices: {a: {image: x:1}}\n", "d/evil.yaml": web("privileged: true")},
		"extends":         {"compose.yaml": web("extends: {file: base.yaml, service: b}"), "base.yaml": "services: {b: {image: x:1, privileged: true}}\n"},
		"extends, nested": {"compose.yaml": web("extends: {file: a.yaml, service: a}"), "a.yaml": "services: {a: {extends: {file: b.yaml, service: b}}}\n", "b.yaml": "services: {b: {image: x:1, privileged: true}}\n"},
		"anchor":          {"compose.yaml": "x-p: &p {privileged: true}\nservices: {web: {image: x:1, <<: *p}}\n"},
		"override":        {"compose.yaml": web(), "compose.override.yaml": "services: {web: {privileged: true}}\n"},
		"variable":        {"compose.yaml": web("privileged: ${EVIL}")},
		"default":         {"compose.yaml": web("privileged: ${UNSET:-true}")},
	} {
		got := judge(t, "baseline", nil, nil, load(t, files, "EVIL=true"), good)
		if len(got) != 1 || got[0].Rule != "privileged" || got[0].Subject != "service web" {
			t.Errorf("%s: %v", name, got)
		}
	}
	p := load(t, map[string]string{"compose.yaml": web(`volumes: ["${WHERE}:/x"]`)}, "WHERE=/var/run/docker.sock")
	if got := rulesOf(judge(t, "baseline", nil, nil, p, good)); !slices.Equal(got, []string{"docker_socket"}) {
		t.Error(got)
	}
}

// Symlinks on the server are followed: those of the host, and those that a
// container has made in its data.
func TestSymlinksAreFollowed(t *testing.T) {
	h := host
	h.Data = "/var/lib/deployer/stacks/shop/data"
	h.Resolve = func(p string) (string, error) {
		switch p {
		case "/opt/sock":
			return "/run/docker.sock", nil
		case "/opt/etc":
			return "/etc", nil
		case h.Data + "/link":
			return "/srv/others", nil
		case h.Data + "/closed/link":
			return p, os.ErrPermission
		}
		return p, nil
	}
	pol, err := policy.New("baseline", []string{"host_path:/opt"}, nil, h)
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]string{
		"/opt/sock": {"docker_socket"}, "/opt/etc": {"deployer_files", "host_path"}, "/opt/app": nil,
		"./link": {"host_path"}, "./closed/link": {"host_path"}, "./data": nil,
	} {
		got := rulesOf(pol.Judge(load(t, map[string]string{"compose.yaml": web(fmt.Sprintf("volumes: [%q]", source+":/x"))}), good))
		if !slices.Equal(got, want) {
			t.Errorf("%s: refused by %v, want %v", source, got, want)
		}
	}
}

// The image that a Dockerfile begins with is none of the compose file.
func TestBuildsAreRefusedWhereRegistriesAre(t *testing.T) {
	const own = "registry:docker.io/library " // of what is built, as Compose calls it
	for _, c := range []struct {
		dockerfile, allow string
		want              []string // what is refused
	}{
		{"FROM ghcr.io/other/base\n", "", []string{"build: FROM ghcr.io/other/base"}},
		{"FROM ghcr.io/other/base\n", "registry:build", nil},
		{"FROM ghcr.io/other/base\n", "registry:ghcr.io/other", nil},
		{"FROM ghcr.io/other/base\n", "registry:ghcr.io/acme", []string{"build: FROM ghcr.io/other/base"}},
		{"FROM alpine:3 AS a\nCOPY --from=quay.io/x/y:1 / /\nFROM a\n", "", []string{"build: FROM quay.io/x/y:1"}},
		{"ARG FROM=quay.io/x/y\nFROM $FROM:1\n", "", []string{"build: FROM quay.io/x/y:1"}},
		{"FROM $UNKNOWN\n", "registry:ghcr.io", []string{"build:"}},
		{"FROM scratch\n", "", nil},
	} {
		p := load(t, map[string]string{"compose.yaml": web("build: {context: app}"), "app/Dockerfile": c.dockerfile})
		pol, err := policy.New("none", strings.Fields(own+c.allow), []string{"registry"}, host)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range pol.Judge(p, good) {
			got = append(got, r.What)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q with %s allowed: refused are %q, want %q", c.dockerfile, c.allow, got, c.want)
		}
	}
}

func TestFolderOfTheEngineIsTheHosts(t *testing.T) {
	h := host
	h.Root = func() string { return "/data/docker" }
	pol, err := policy.New("baseline", nil, nil, h)
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]string{
		"/data/docker/volumes/other_db/_data": {"host_path"}, "/data": {"host_path"}, "/data/app": nil,
	} {
		got := rulesOf(pol.Judge(load(t, map[string]string{"compose.yaml": web(fmt.Sprintf("volumes: [%q]", source+":/x"))}), good))
		if !slices.Equal(got, want) {
			t.Errorf("%s: refused by %v, want %v", source, got, want)
		}
	}
}

// What deployer's own container mounts as a volume is nobody else's, in any spelling.
func TestVolumesOfDeployerAreNotMountable(t *testing.T) {
	h := host
	h.Volumes = []string{"deployer_etc"}
	for _, top := range []string{"{external: true, name: deployer_etc}", "{name: deployer_etc}"} {
		p := load(t, map[string]string{"compose.yaml": web(`volumes: ["vol:/x:ro"]`, "top volumes: {vol: "+top+"}")})
		for allow, want := range map[string][]string{"docker_socket": {"deployer_files"}, "deployer_files:deployer_etc": nil} {
			pol, err := policy.New("none", []string{allow}, nil, h)
			if err != nil {
				t.Fatal(err)
			}
			if got := rulesOf(pol.Judge(p, good)); !slices.Equal(got, want) {
				t.Errorf("%s, with %s allowed: refused by %v, want %v", top, allow, got, want)
			}
		}
	}
}

// A writable mount of a tracked file's content by its place on the host would
// change what other releases mount.
func TestContentThatIsPlacedCannotBeMountedByItsPlace(t *testing.T) {
	files := map[string]string{"compose.yaml": web(`volumes: ["./a.conf:/t:ro"]`), "a.conf": "a"}
	at := load(t, files).Mounts[0].Host
	files["compose.yaml"] = web(`volumes: ["./a.conf:/t:ro"]`, fmt.Sprintf(`pre_start: [{command: "id", volumes: ["%s:/t"]}]`, at))
	if got := rulesOf(judge(t, "none", nil, nil, load(t, files), good)); !slices.Equal(got, []string{"deployer_files"}) {
		t.Error(got)
	}
}

func TestNewRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, bad := range []struct {
		base        string
		allow, deny []string
	}{{"tight", nil, nil}, {"none", []string{"sockets"}, nil}, {"none", nil, []string{"sockets"}}, {"none", []string{"privileged:web"}, nil}} {
		if _, err := policy.New(bad.base, bad.allow, bad.deny, host); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// harmlessLines are what a stack may say in any combination.
var harmlessLines = []string{
	"restart: unless-stopped", "read_only: true", "user: \"1000:1000\"", "cap_drop: [ALL]", "cap_add: [NET_BIND_SERVICE, CAP_CHOWN]",
	"security_opt: [\"no-new-privileges:true\"]", "init: true", "tmpfs: [/tmp]", "environment: {A: b}", "networks: [inner]",
	`ports: ["127.0.0.1:8080:80", {target: 81, published: "9000-9002", host_ip: 10.0.0.1}]`, "expose: [\"80\"]", "mem_limit: 256m",
	`volumes: ["data:/data", "./conf:/conf:ro", "./own:/own", {type: tmpfs, target: /t}, {type: bind, source: ./conf/a, target: /a, read_only: true}]`,
	"configs: [c]", "secrets: [s]", "ipc: shareable", "pid: \"service:db\"", "depends_on: [db]", "volumes_from: [db]", "logging: {driver: json-file}",
	"healthcheck: {test: [CMD, \"true\"]}", "build: {context: .}", "sysctls: {}", "devices: []", "shm_size: 64m", "ulimits: {nofile: 1024}",
}

// Whatever harmless lines a stack has, strict lets it pass, with every rule
// denied that pinned images and no registry leave.
func TestHarmlessProjectsPassStrict(t *testing.T) {
	const seed = 11
	random := rand.New(rand.NewPCG(seed, seed))
	pinned := "@sha256:" + strings.Repeat("0", 64)
	deny := slices.DeleteFunc(slices.Sorted(maps.Keys(policy.Rules())), func(r string) bool { return r == "registry" || r == "host_path" })
	for range 60 {
		lines := slices.DeleteFunc(slices.Clone(harmlessLines), func(string) bool { return random.IntN(2) == 0 })
		text := web(append(lines,
			"top   db: {image: \"postgres:16"+pinned+"\", volumes: [\"data:/data\"]}",
			"top networks: {inner: {internal: true}}", "top volumes: {data: {}, ram: {driver_opts: {type: tmpfs, device: tmpfs, o: \"size=1m\"}}, own: {driver: local, driver_opts: {type: none, o: bind, device: ./vol}}}",
			"top configs: {c: {file: ./conf/a}}", "top secrets: {s: {environment: TOKEN}}")...)
		text = strings.Replace(text, "nginx:1.27", "nginx:1.27"+pinned, 1)
		p := load(t, map[string]string{"compose.yaml": text, "conf/a": "a", "Dockerfile": "FROM scratch\n"}, "TOKEN=t0ken")
		if got := judge(t, "strict", nil, deny, p, good); len(got) > 0 {
			t.Fatalf("refused: %v\n%s", got, text)
		}
	}
}

// An Engine that hangs is waited for once, however much is mounted.
func TestTheEngineIsAskedOnceWhereItsDataAre(t *testing.T) {
	asked, h := 0, host
	h.Root = func() string { asked++; return "" }
	p, err := policy.New("baseline", nil, nil, h)
	if err != nil {
		t.Fatal(err)
	}
	text := "services: {web: {image: a, volumes: [/srv/a:/a, /srv/b:/b]}, db: {image: b, volumes: [/srv/c:/c]}}\n"
	if found := p.Judge(load(t, map[string]string{"compose.yaml": text}), good); len(found) > 0 || asked != 1 {
		t.Errorf("asked %d times, found %v", asked, found)
	}
}
