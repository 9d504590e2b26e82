package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
)

// containersPause is between two looks while something is still starting.
const containersPause = 200 * time.Millisecond

// logLines are shown as evidence of a container that fails.
const logLines = 20

// containersCheck wants every service up with all its replicas. It waits, for
// its timeout, while containers start, and fails at once when one cannot.
type containersCheck struct {
	Settle time.Duration `check:"settle"`
}

func newContainers() Check { return &containersCheck{Settle: 2 * time.Second} }

func (c *containersCheck) Run(ctx context.Context, w *World) Result {
	if w.Engine == nil || w.Project == nil || w.Project.Compose == nil {
		return skipped("there is no Engine or no project to look at")
	}
	seen := make(sightings)
	for {
		list, err := w.Engine.Containers(ctx, w.Project.Name)
		if err != nil {
			return failed("the Engine does not list the containers: "+reason(err), "see that Docker runs on the target")
		}
		l := c.look(w, list, seen)
		switch {
		case len(l.broken) > 0:
			return c.verdict(ctx, w, l.broken, "")
		case len(l.waiting) == 0:
			return passed(strings.Join(l.up, ", "))
		}
		sleep(ctx, containersPause)
		if ctx.Err() != nil {
			return c.verdict(ctx, w, l.waiting, " when the time was over")
		}
	}
}

// A finding is a container, or a service without one, that is not up.
type finding struct {
	container string // its id; empty where there is none
	problem   string
	hint      string
}

// A look is what one list of containers shows.
type look struct {
	broken, waiting []finding
	up              []string // "web 2/2", by service
}

func (c *containersCheck) look(w *World, list []project.Container, seen sightings) look {
	var l look
	for _, name := range w.Project.Compose.ServiceNames() {
		service := w.Project.Compose.Services[name]
		if service.Provider != nil {
			continue // something outside of the Engine provides it
		}
		up, count := 0, 0
		for _, container := range list {
			if container.Service != name || container.Labels["com.docker.compose.oneoff"] == "True" {
				continue
			}
			count++
			switch standing, f := c.judge(container, service, seen, w.now()); standing {
			case isUp:
				up++
			case isBroken:
				l.broken = append(l.broken, f)
			case isWaiting:
				l.waiting = append(l.waiting, f)
			}
		}
		if want := service.GetScale(); count < want {
			l.broken = append(l.broken, finding{
				problem: fmt.Sprintf("%s has %d of %d containers", name, count, want),
				hint:    "deploy the stack again; somebody may have removed them",
			})
		}
		l.up = append(l.up, fmt.Sprintf("%s %d/%d", name, up, service.GetScale()))
	}
	return l
}

// verdict makes a failure of findings, with the log of the first as evidence.
func (c *containersCheck) verdict(ctx context.Context, w *World, findings []finding, when string) Result {
	var problems []string
	for _, f := range findings {
		problems = append(problems, f.problem+when)
	}
	message := strings.Join(problems, "; ")
	if id := findings[0].container; id != "" && !errors.Is(ctx.Err(), context.Canceled) {
		// The evidence is worth a moment more, also when the check's own time is over.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if log, err := w.Engine.Logs(ctx, id, logLines, time.Time{}); err == nil && strings.TrimSpace(log) != "" {
			message += "\nits last lines:\n" + LastLines(log, logLines)
		}
	}
	return failed(message, findings[0].hint)
}

// runsOnce reports whether the service may end: nothing restarts it when it
// exits with 0.
func runsOnce(s types.ServiceConfig) bool {
	policy, _, _ := strings.Cut(s.Restart, ":")
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		policy = s.Deploy.RestartPolicy.Condition
	}
	switch policy {
	case "", "no", "none", "on-failure":
		return true
	}
	return false
}
