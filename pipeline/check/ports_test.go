package check

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// onHost is an Engine on this machine, or elsewhere.
func onHost(here bool, published ...project.Published) *fakeEngine {
	free := int64(-1)
	if here {
		free = 1 << 40
	}
	return &fakeEngine{
		info:       func() (project.Engine, error) { return project.Engine{FreeBytes: free}, nil },
		containers: func() ([]project.Container, error) { return []project.Container{{ID: strings.Repeat("a", 64)}}, nil },
		published:  published,
	}
}

func portsWorld(t *testing.T, services string, engine *fakeEngine, vars ...secrets.Var) *World {
	t.Helper()
	w := committedFiles{"compose.yaml": "services:\n" + services}.world(t, ".", environment(vars...))
	w.Engine = engine
	return w
}

func TestPortsOfTheProject(t *testing.T) {
	const registry = "  registry: {image: registry:2, ports: [\"${REGISTRY_EXPOSE_PORT}:5000\"]}\n"
	for name, tt := range map[string]struct {
		services string
		vars     []secrets.Var
		fields   string
		status   state.StepStatus
		parts    []string
	}{
		"the trap of the empty variable": {registry, []secrets.Var{public("REGISTRY_EXPOSE_PORT", "")}, "", state.StepFailed,
			[]string{"service registry publishes its port 5000 on a random port", "leave the entry out"}},
		"only the container's side": {"  a: {image: a, ports: [\"5000\"]}\n", nil, "", state.StepFailed, []string{"random port"}},
		"closed":                    {registry, []secrets.Var{public("REGISTRY_EXPOSE_PORT", "47001")}, "closed: [5000]", state.StepFailed, []string{"publishes port 5000 as 47001 of the host", "must stay closed"}},
		"closed on the host's side": {"  a: {image: a, ports: [\"47001:80\"]}\n", nil, "closed: [47001]", state.StepFailed, []string{"must stay closed"}},
		"closed for UDP only":       {"  a: {image: a, ports: [\"47001:80\"]}\n", nil, "closed: [47001/udp]", state.StepPassed, nil},
		"in a range":                {"  a: {image: a, ports: [\"47001-47003:1-3\"]}\n", nil, "closed: [47002]", state.StepFailed, []string{"47002 of the host"}},
		"nothing published":         {"  a: {image: a, expose: [\"5000\"]}\n", nil, "closed: [5000]", state.StepPassed, []string{"publishes no port"}},
		"two claim one":             {"  a: {image: a, ports: [\"47001:80\"]}\n  b: {image: b, ports: [\"127.0.0.1:47001:81\"]}\n", nil, "", state.StepFailed, []string{"services a and b both publish port 47001"}},
		"TCP and UDP":               {"  a: {image: a, ports: [\"47001:80\", \"47001:80/udp\"]}\n", nil, "", state.StepPassed, []string{"free: 47001, 47001/udp"}},
		"two addresses":             {"  a: {image: a, ports: [\"127.0.0.1:47001:80\"]}\n  b: {image: b, ports: [\"127.0.0.2:47001:80\"]}\n", nil, "", state.StepPassed, nil},
		"two containers, one port":  {"  a: {image: a, scale: 2, ports: [\"47001:80\"]}\n", nil, "", state.StepFailed, []string{"2 containers for port 47001"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := portsWorld(t, tt.services, onHost(true), tt.vars...)
			want(t, run(t, "{check: ports, "+tt.fields+"}", w), tt.status, tt.parts...)
		})
	}
	want(t, run(t, "{check: ports}", &World{}), state.StepSkipped)
}

func TestPortsSayWhoHoldsThem(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	taken := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	takenUDP := strconv.Itoa(u.LocalAddr().(*net.UDPAddr).Port)
	none := "  a: {image: a}\n"
	at := func(port string) int { n, _ := strconv.Atoi(port); return n }
	other := project.Published{Container: "old-proxy-1", Project: "old", Service: "proxy", Address: "0.0.0.0", HostPort: 47080, Port: 80, Protocol: "tcp"}
	own := other
	own.Project, own.Container = "shop", "shop-proxy-1"
	bare := other
	bare.Project = ""

	self := fmt.Sprintf("process %d check.test on 127.0.0.1", os.Getpid())
	want(t, run(t, "{check: ports, free: ["+taken+"]}", portsWorld(t, none, onHost(true))), state.StepFailed, "port "+taken+" is held by "+self, "another port")
	want(t, run(t, "{check: ports, free: ["+takenUDP+"/udp]}", portsWorld(t, none, onHost(true))), state.StepFailed, "is held by "+self)
	want(t, run(t, "{check: ports, free: ["+taken+"/udp]}", portsWorld(t, none, onHost(true))), state.StepPassed, "free: "+taken+"/udp")
	want(t, run(t, "{check: ports}", portsWorld(t, "  a: {image: a, ports: [\""+taken+":80\"]}\n", onHost(true))), state.StepFailed, self)
	want(t, run(t, "{check: ports}", portsWorld(t, "  a: {image: a, ports: [\"127.0.0.9:"+taken+":80\"]}\n", onHost(true))), state.StepPassed)

	want(t, run(t, "{check: ports, free: [47080]}", portsWorld(t, none, onHost(true, other))), state.StepFailed, "container old-proxy-1 (service proxy of project old)")
	want(t, run(t, "{check: ports, free: [47080]}", portsWorld(t, none, onHost(true, bare))), state.StepFailed, "container old-proxy-1")
	want(t, run(t, "{check: ports, free: [47080]}", portsWorld(t, none, onHost(true, own))), state.StepPassed, "held by this project: 47080")
	want(t, run(t, "{check: ports, free: [47081, 47080]}", portsWorld(t, none, onHost(true, own))), state.StepPassed, "free: 47081")

	own.HostPort = at(taken) // the Engine's own proxy listens for it
	want(t, run(t, "{check: ports, free: ["+taken+"]}", portsWorld(t, none, onHost(true, own))), state.StepPassed, "held by this project")

	want(t, run(t, "{check: ports, free: [47080]}", portsWorld(t, none, onHost(false))), state.StepWarned, "not proven", "ss -ltnp")
	want(t, run(t, "{check: ports, free: [47080]}", portsWorld(t, none, onHost(false, other))), state.StepFailed, "old-proxy-1")
}

func TestPortsOfAContainerInTheHostsNetwork(t *testing.T) {
	for id, status := range map[string]state.StepStatus{strings.Repeat("a", 64): state.StepPassed, strings.Repeat("b", 64): state.StepFailed} {
		proc := t.TempDir()
		for name, content := range map[string]string{
			"net/tcp": "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
				"   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n",
			"net/udp":   "",
			"77/comm":   "traefik\n",
			"77/cgroup": "0::/system.slice/docker-" + id + ".scope\n",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(proc, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(proc, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(proc, "77/fd"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("socket:[4711]", filepath.Join(proc, "77/fd/3")); err != nil {
			t.Fatal(err)
		}
		c := &portsCheck{proc: proc, Free: []port{{80, "tcp"}}}
		r := c.Run(t.Context(), portsWorld(t, "  a: {image: a}\n", onHost(true)))
		if status == state.StepPassed {
			want(t, r, status, "held by this project: 80")
		} else {
			want(t, r, status, "process 77 traefik on 0.0.0.0, in container bbbbbbbbbbbb")
		}
	}
}
