package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"deployer/pipeline/check/traefik"
	"deployer/project"
)

const (
	logTail  = 1000 // lines of a container that are looked at
	logShown = 8    // lines that are shown as evidence
)

// logsCheck wants services not to have written what tells of trouble since
// the deploy began.
type logsCheck struct {
	Services []text    `check:"services"` // default: all
	Not      []pattern `check:"not"`
	Since    logSince  `check:"since"`
	ACME     bool      `check:"acme"` // also what Traefik writes about certificates
}

func newLogs() Check { return &logsCheck{ACME: true} }

// logSince is how far back a log is looked at; 0: to the deploy's begin.
type logSince time.Duration

func (s *logSince) set(t text) error {
	if t.plain == "deploy" {
		return nil
	}
	span, err := time.ParseDuration(t.plain)
	if err != nil || span <= 0 {
		return fmt.Errorf("%q is neither deploy nor a length of time such as 15m", t)
	}
	*s = logSince(span)
	return nil
}

func (c *logsCheck) validate() error {
	if len(c.Not) == 0 && !c.ACME {
		return fmt.Errorf("not: no pattern is given, so nothing would be looked for")
	}
	return nil
}

func (c *logsCheck) Run(ctx context.Context, w *World) Result {
	if w.Engine == nil || w.Project == nil || w.Project.Compose == nil {
		return skipped("there is no Engine or no project to look at")
	}
	since, about := w.Since, "since the deploy"
	if c.Since > 0 {
		since, about = w.now().Add(-time.Duration(c.Since)), "in the last "+time.Duration(c.Since).String()
	}
	if since.IsZero() {
		return skipped("nothing was deployed now: `since: 15m` looks at the last minutes instead")
	}
	list, err := w.Engine.Containers(ctx, w.Project.Name)
	if err != nil {
		return failed("the Engine does not list the containers: "+reason(err), "see that Docker runs on the target")
	}
	found := &logFindings{}
	for _, k := range list {
		if !c.wants(k) {
			continue
		}
		log, err := w.Engine.Logs(ctx, k.ID, logTail, since)
		if err != nil {
			return failed(fmt.Sprintf("the log of %s cannot be read: %s", k.Name, reason(err)), "see that its logging driver keeps logs (json-file, local or journald)")
		}
		found.look(k, log, c)
	}
	return found.result(c, about)
}

func (c *logsCheck) wants(k project.Container) bool {
	return len(c.Services) == 0 || slices.ContainsFunc(c.Services, func(s text) bool { return s.plain == k.Service })
}

// logFindings gather what was found in all logs.
type logFindings struct {
	services     []string
	lines, count int
	shown        []string
	explained    report
}

func (f *logFindings) look(k project.Container, log string, c *logsCheck) {
	f.services = append(f.services, k.Service)
	for line := range strings.Lines(log) {
		f.lines++
		if slices.ContainsFunc(c.Not, func(p pattern) bool { return p.MatchString(line) }) {
			f.show(k, line)
		}
	}
	if !c.ACME {
		return
	}
	for _, e := range unsolved(traefik.ReadLog(log)) {
		f.show(k, e.Message)
		f.explained.fail(e.Explain())
	}
}

func (f *logFindings) show(k project.Container, line string) {
	if f.count++; len(f.shown) < logShown {
		f.shown = append(f.shown, k.Service+" | "+excerpt(line, 300))
	}
}

func (f *logFindings) result(c *logsCheck, about string) Result {
	slices.Sort(f.services)
	f.services = slices.Compact(f.services)
	switch {
	case len(f.services) == 0:
		return failed("there is no container whose log could be read", "see `services` of the check, and that the stack is deployed")
	case f.count == 0:
		return passed(fmt.Sprintf("nothing of the kind in %d lines of %s %s", f.lines, strings.Join(f.services, ", "), about))
	}
	message := fmt.Sprintf("%d lines that should not be there %s", f.count, about)
	hint := "see what the service complains about; a line that is harmless can be left out of `not`"
	if len(f.explained.failures) > 0 {
		message += ": " + strings.Join(slices.Compact(f.explained.failures), "; ")
		hint = strings.Join(f.explained.hints, "; ")
	}
	return failed(message+"\n"+strings.Join(f.shown, "\n"), hint)
}

// unsolved are the last troubles with certificates of each set of names that
// were not followed by a certificate.
func unsolved(events []traefik.Event) []traefik.Event {
	last := map[string]traefik.Event{}
	var order []string
	for _, e := range events {
		key := traefik.Set(e.Names) + "\x00" + e.Resolver
		if len(e.Names) == 0 {
			key += e.Router
		}
		if _, known := last[key]; !known {
			order = append(order, key)
		}
		last[key] = e
	}
	var out []traefik.Event
	for _, key := range order {
		if last[key].Kind != traefik.Issued {
			out = append(out, last[key])
		}
	}
	return out
}
