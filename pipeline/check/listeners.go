package check

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"deployer/project"
)

// An observer knows who holds which port of the host.
type observer struct {
	ctx       context.Context
	w         *World
	published []project.Published
	listeners []listener
	proc      string
	blind     string // why processes are not seen; empty where they are
}

// A listener is a socket of this machine that waits for others.
type listener struct {
	port
	address string
	inode   string
}

// look reads the sockets of this machine, where that is the Engine's host. It
// returns why it could not.
func (c *portsCheck) look(o *observer) string {
	o.proc = c.proc
	info, err := o.w.Engine.Info(o.ctx)
	if err != nil || info.FreeBytes < 0 {
		return "the Engine's host is not this machine"
	}
	for _, table := range []struct{ name, protocol, state string }{
		{"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"},
	} {
		data, err := os.ReadFile(filepath.Join(c.proc, "net", table.name))
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(table.name, "6") {
			continue // IPv6 is off
		}
		if err != nil {
			return err.Error()
		}
		o.listeners = append(o.listeners, listenersIn(data, table.protocol, table.state)...)
	}
	return ""
}

// listenersIn reads a table of the kernel: "sl local_address rem_address st …
// inode", addresses in hex of words in the machine's byte order.
func listenersIn(data []byte, protocol, wanted string) []listener {
	var out []listener
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != wanted {
			continue
		}
		host, number, _ := strings.Cut(fields[1], ":")
		n, err := strconv.ParseUint(number, 16, 16)
		raw, bad := hex.DecodeString(host)
		if err != nil || bad != nil || len(raw)%4 != 0 {
			continue
		}
		for word := range slices.Chunk(raw, 4) {
			slices.Reverse(word)
		}
		if address, ok := netip.AddrFromSlice(raw); ok {
			out = append(out, listener{port{int(n), protocol}, address.Unmap().String(), fields[9]})
		}
	}
	return out
}

// holder names who holds a port; mine where that is this very project.
func (o *observer) holder(want claim) (who string, mine bool) {
	for _, p := range o.published {
		if p.HostPort != want.number || p.Protocol != want.protocol || !overlap(p.Address, want.address) {
			continue
		}
		if p.Project == o.w.Project.Name {
			return p.Container, true
		}
		who := "container " + p.Container
		if p.Project != "" {
			who += fmt.Sprintf(" (service %s of project %s)", p.Service, p.Project)
		}
		return who, false
	}
	for _, l := range o.listeners {
		if l.port == want.port && overlap(l.address, want.address) {
			return o.process(l)
		}
	}
	return "", false
}

// process names the process of a socket; mine where a container of this
// project runs it, in the host's network.
func (o *observer) process(l listener) (who string, mine bool) {
	who = "a process on " + l.address
	pids, _ := filepath.Glob(filepath.Join(o.proc, "[0-9]*"))
	for _, dir := range pids {
		if !holds(dir, "socket:["+l.inode+"]") {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		who = fmt.Sprintf("process %s %s on %s", filepath.Base(dir), strings.TrimSpace(string(name)), l.address)
		if id := containerOf(dir); id != "" {
			own, err := o.w.Engine.Containers(o.ctx, o.w.Project.Name)
			mine = err == nil && slices.ContainsFunc(own, func(k project.Container) bool { return k.ID == id })
			who += ", in container " + id[:12]
		}
		return who, mine
	}
	return who, false
}

// holds reports whether the process has a file open. Those of others are seen
// by root only.
func holds(dir, file string) bool {
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return false
	}
	for _, fd := range open {
		if to, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil && to == file {
			return true
		}
	}
	return false
}

var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// containerOf is the id of the container that a process runs in, by its control group.
func containerOf(dir string) string {
	data, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	return string(containerID.Find(data))
}
