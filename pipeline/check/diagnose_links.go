package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/pipeline/check/traefik"
	"deployer/project"
)

const linkTime = 3 * time.Second

// isName reports whether the host is a name that DNS and Traefik know.
func (d *walk) isName() bool {
	_, err := netip.ParseAddr(d.host)
	return err != nil && d.host != "localhost"
}

func (d *walk) dns(ctx context.Context) link {
	const name = "DNS"
	if !d.isName() || d.connect != d.address.plain {
		return link{name: name} // nothing is asked of it
	}
	ctx, cancel := context.WithTimeout(ctx, linkTime)
	defer cancel()
	addresses, err := cmp.Or(d.w.Resolve, net.DefaultResolver).LookupHost(ctx, d.host)
	if err != nil {
		what, hint := explain(err, linkTime)
		return broken(name, what, hint)
	}
	return whole(name, strings.Join(addresses, ", "))
}

func (d *walk) port(ctx context.Context) link {
	const name = "port"
	ctx, cancel := context.WithTimeout(ctx, linkTime)
	defer cancel()
	conn, err := d.w.dial(ctx, "tcp", d.connect)
	if err == nil {
		_ = conn.Close()
		return whole(name, "open")
	}
	looking := context.WithoutCancel(ctx)
	if down := d.proxyDown(looking); down.broken {
		return down
	}
	if !d.behindProxy() {
		if down := d.containers(looking, true); down.broken {
			return down
		}
	}
	what, hint := explain(err, linkTime)
	_, port, _ := net.SplitHostPort(d.connect)
	if errors.Is(err, syscall.ECONNREFUSED) {
		hint = fmt.Sprintf("nothing listens on port %s: see that the proxy publishes it (`ports`) and has an entry point for it", port)
	}
	return broken(name, what, hint)
}

// behindProxy reports whether a Traefik of the project has a route to look at.
func (d *walk) behindProxy() bool { return d.isName() && len(traefikServices(d.w.Project)) > 0 }

// proxyDown is a proxy of the project whose container does not run.
func (d *walk) proxyDown(ctx context.Context) link {
	for _, service := range traefikServices(d.w.Project) {
		if l := d.down(ctx, "proxy", service); l.broken {
			return l
		}
	}
	return link{}
}

// down is a container of a service, or the lack of one, that keeps it from answering.
func (d *walk) down(ctx context.Context, name, service string) link {
	if d.listErr != nil {
		return link{name: name}
	}
	count := 0
	for _, k := range d.list {
		if k.Service != service {
			continue
		}
		count++
		if l := d.judge(ctx, name, k); l.broken {
			return l
		}
	}
	if count == 0 {
		return broken(name, service+" has no container", "deploy the stack again; somebody may have removed it")
	}
	return link{name: name}
}

// judge says whether a container is down, with its last lines.
func (d *walk) judge(ctx context.Context, name string, k project.Container) link {
	service := d.w.Project.Compose.Services[k.Service]
	standing, f := (&containersCheck{}).judge(k, service, sightings{k.ID: {}}, d.w.now())
	if standing == isUp || k.State == "exited" && runsOnce(service) && k.ExitCode == 0 {
		return link{name: name}
	}
	l := broken(name, f.problem, f.hint)
	if log, err := d.w.Engine.Logs(ctx, k.ID, logLines, time.Time{}); err == nil && strings.TrimSpace(log) != "" {
		l.lines = "its last lines:\n" + LastLines(log, logLines)
	}
	return l
}

// containers is the first container that is down: of the service that the
// check is about, or else of any where others is set.
func (d *walk) containers(ctx context.Context, others bool) link {
	if d.listErr != nil {
		return link{}
	}
	if d.service != "" {
		if l := d.down(ctx, "container", d.service); l.broken {
			return l
		}
	}
	for _, k := range d.list {
		if l := d.judge(ctx, "container", k); others && l.broken {
			return l
		}
	}
	return link{}
}

// router is the router of the project's labels that takes the host, and the
// service that it is written on.
func (d *walk) router() (name, service string, labels types.Labels, ok bool) {
	for _, service := range d.w.Project.Compose.ServiceNames() {
		labels := d.w.Project.Compose.Services[service].Labels
		for _, r := range traefik.ReadLabels(labels).Routers {
			if slices.Contains(traefik.Hosts(r.Rule), strings.ToLower(d.host)) {
				return r.Name, service, labels, true
			}
		}
	}
	return "", "", nil, false
}

func (d *walk) route(ctx context.Context) link {
	const name = "route"
	if d.listErr != nil {
		return link{name: name}
	}
	if !d.behindProxy() {
		return d.containers(ctx, true)
	}
	if l := d.proxyDown(ctx); l.broken {
		return l
	}
	router, service, labels, ok := d.router()
	if !ok {
		return broken(name, "no router of the project's labels takes "+d.address.shown,
			"give the service a label traefik.http.routers.NAME.rule=Host(`…`) with exactly this name")
	}
	about := fmt.Sprintf("router %s of %s", router, service)
	if enabled, set := labels["traefik.enable"]; set && enabled != "true" {
		return broken(name, about+" is turned off by traefik.enable="+enabled, "set traefik.enable=true")
	}
	if l := d.down(ctx, name, service); l.broken {
		l.what = fmt.Sprintf("%s: %s, so Traefik does not route to it", about, l.what)
		return l
	}
	return whole(name, about)
}

// portLabel ends the label that says where Traefik finds a service.
const portLabel = ".loadbalancer.server.port"

// upstream dials the service behind the route by its container's own address.
func (d *walk) upstream(ctx context.Context) link {
	const name = "service"
	if d.listErr != nil || !d.isName() {
		return link{name: name}
	}
	_, service, labels, ok := d.router()
	port := portBehind(d.w.Project.Compose.Services[service], labels)
	if !ok || port == "" {
		return link{name: name}
	}
	var last error
	for _, k := range d.list {
		if k.Service != service {
			continue
		}
		for _, address := range k.Addresses {
			address = net.JoinHostPort(address, port)
			dialing, cancel := context.WithTimeout(ctx, linkTime)
			conn, err := d.w.dial(dialing, "tcp", address)
			cancel()
			if err == nil {
				_ = conn.Close()
				return whole(name, fmt.Sprintf("%s answers on %s", service, address))
			}
			last = err
		}
	}
	if !errors.Is(last, syscall.ECONNREFUSED) {
		return link{name: name} // an Engine elsewhere: its containers are not reached from here
	}
	l := broken(name, fmt.Sprintf("%s does not listen on port %s in its container", service, port),
		"see that the label "+strings.TrimPrefix(portLabel, ".")+" is the port that the program listens on, on all addresses and not on 127.0.0.1 alone")
	for _, k := range d.list {
		if log, err := d.w.Engine.Logs(ctx, k.ID, logLines, time.Time{}); k.Service == service && err == nil && strings.TrimSpace(log) != "" {
			l.lines = "its last lines:\n" + LastLines(log, logLines)
		}
	}
	return l
}

// portBehind is the port that Traefik connects to: that of the label, or the
// only one that the service tells of.
func portBehind(s types.ServiceConfig, labels types.Labels) string {
	for _, label := range sortedKeys(labels) {
		if strings.HasSuffix(strings.ToLower(label), portLabel) {
			return labels[label]
		}
	}
	if len(s.Expose) > 0 {
		port, _, _ := strings.Cut(s.Expose[0], "/")
		return port
	}
	if len(s.Ports) > 0 {
		return strconv.Itoa(int(s.Ports[0].Target))
	}
	return ""
}

// certificate is what Traefik's log says of the host's certificate.
func (d *walk) certificate(ctx context.Context) link {
	const name = "certificate"
	if d.listErr != nil || !d.secure {
		return link{name: name}
	}
	services := traefikServices(d.w.Project)
	for _, k := range d.list {
		if !slices.Contains(services, k.Service) {
			continue
		}
		log, err := d.w.Engine.Logs(ctx, k.ID, logTail, d.w.Since)
		if err != nil {
			continue
		}
		for _, e := range unsolved(traefik.ReadLog(log)) {
			if e.Kind == traefik.Broken || slices.Contains(e.Names, strings.ToLower(d.host)) {
				what, remedy := e.Explain()
				l := broken(name, what, remedy)
				l.lines = k.Service + " | " + excerpt(e.Message, 400)
				return l
			}
		}
	}
	return link{name: name}
}
