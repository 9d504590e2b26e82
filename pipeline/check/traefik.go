package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/pipeline/check/traefik"
	"deployer/state"
)

// traefikCheck holds Traefik's static configuration and the labels of the
// project's services against each other.
type traefikCheck struct {
	Service text   `check:"service"` // the one that runs Traefik; default: by its image
	File    text   `check:"file"`    // the static configuration, of the commit; default: what the service mounts
	Known   []text `check:"known"`   // middlewares, services and resolvers that other stacks define
}

func newTraefik() Check { return &traefikCheck{} }

// A proxy is Traefik as a project configures it.
type proxy struct {
	report
	w       *World
	check   *traefikCheck
	service string // empty: another stack runs it
	config  types.ServiceConfig
	source  string          // where the static configuration is, for people
	static  *traefik.Static // nil where it is not known
	v3      bool
	labels  map[string]traefik.Labels // by service
}

func (c *traefikCheck) Run(_ context.Context, w *World) Result {
	if w.Project == nil || w.Project.Compose == nil {
		return skipped("there is no project to look at")
	}
	p, problem := c.find(w)
	if problem.Status != "" {
		return problem
	}
	p.judgeStatic()
	p.judgeLabels()
	routers := 0
	for _, l := range p.labels {
		routers += len(l.Routers)
	}
	return p.result(fmt.Sprintf("%s: %d entry points, %d resolvers, and %d routers of the labels agree with it",
		p.source, len(p.static.EntryPoints), len(p.static.Resolvers), routers))
}

// find reads what there is of Traefik in the project. Where that cannot be
// judged, the result says why.
func (c *traefikCheck) find(w *World) (*proxy, Result) {
	p := &proxy{w: w, check: c, v3: true, labels: map[string]traefik.Labels{}}
	services := w.Project.Compose.Services
	switch {
	case c.Service.plain != "":
		if _, ok := services[c.Service.plain]; !ok {
			return nil, failed(fmt.Sprintf("there is no service %q", c.Service), "the services are "+strings.Join(w.Project.Compose.ServiceNames(), ", "))
		}
		p.service = c.Service.plain
	default:
		found := servicesOf(w.Project, "traefik")
		if len(found) > 1 {
			return nil, failed("several services run Traefik: "+strings.Join(found, ", "), "name the one that is meant in `service`")
		}
		if len(found) == 0 && c.File.plain == "" {
			return nil, failed("no service has an image called traefik", "name it in `service`, or the static configuration in `file` where another stack runs Traefik")
		}
		p.service = strings.Join(found, "")
	}
	if p.service != "" {
		p.config = services[p.service]
		_, tag := nameAndTag(imageOf(w.Project, p.service))
		tag = strings.TrimPrefix(tag, "v")
		p.v3 = !strings.HasPrefix(tag, "2.") && tag != "2"
	}
	for _, name := range w.Project.Compose.ServiceNames() {
		p.labels[name] = traefik.ReadLabels(services[name].Labels)
	}
	return p, p.readStatic()
}

// usualFiles are where Traefik looks by itself.
var usualFiles = []string{"/etc/traefik/traefik.yml", "/etc/traefik/traefik.yaml", "/traefik.yml", "/traefik.yaml"}

// readStatic finds the static configuration where Traefik does: in a file,
// else on the command line, else in the environment.
func (p *proxy) readStatic() Result {
	fromArgs, named := traefik.ReadArgs(slices.Concat(p.config.Entrypoint, p.config.Command))
	environment := map[string]string{}
	for name, value := range p.config.Environment {
		if value != nil {
			environment[name] = *value
		}
	}
	if own, ok := environment["TRAEFIK_CONFIGFILE"]; ok && named == "" {
		named = own
	}
	name, data, err := p.staticFile(named)
	switch {
	case err != nil:
		return failed(err.Error(), "commit it and mount it, or correct `file`")
	case strings.HasSuffix(name, ".toml"):
		return skipped(name + " is TOML, which this check does not read; Traefik takes the same in YAML")
	case name != "":
		p.source = name
		if p.static, err = traefik.ReadFile(data); err != nil {
			return failed(name+" does not parse: "+err.Error(), "correct it; Traefik would not start")
		}
		if fromArgs != nil {
			p.warn(fmt.Sprintf("%s has options on its command line too, which Traefik ignores beside the file", p.service), "move them into "+name)
		}
	case fromArgs != nil:
		p.static, p.source = fromArgs, "the command line of "+p.service
	default:
		p.static, p.source = traefik.ReadEnv(environment), "the environment of "+p.service
	}
	if p.static == nil {
		return Result{Status: state.StepWarned, Message: "not proven: no static configuration of Traefik is seen in the commit",
			Hint: "mount it from the commit at /etc/traefik/traefik.yml, or name it in `file`"}
	}
	return Result{}
}

// staticFile returns the file of the commit that holds the configuration,
// where there is one. named is the path in the container that Traefik is told.
func (p *proxy) staticFile(named string) (name string, data []byte, err error) {
	read := func(name string) ([]byte, error) {
		if p.w.ReadFile == nil {
			return nil, errors.New("no files of the commit are at hand")
		}
		return p.w.ReadFile(name)
	}
	if p.check.File.plain != "" {
		data, err = read(p.check.File.plain)
		return p.check.File.plain, data, wrapRead(p.check.File.plain, err)
	}
	candidates := usualFiles
	if named != "" {
		candidates = []string{named}
	}
	for _, candidate := range candidates {
		name := committed(p.w.Project, p.service, candidate)
		if name == "" {
			continue
		}
		data, err := read(strings.TrimPrefix(name, "./"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the folder is mounted, without such a file
		}
		return name, data, wrapRead(name, err)
	}
	if named != "" {
		return "", nil, fmt.Errorf("Traefik is told to read %s, which no file of the commit is mounted at", named)
	}
	return "", nil, nil
}

func wrapRead(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot read %s: %w", name, err)
}
