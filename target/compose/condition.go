package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"golang.org/x/sync/errgroup"

	"deployer/project"
)

// inspectLimit is for the answer about one container: an Engine that hangs with
// one of them, as on a mount that does not answer, keeps the others unseen no
// longer.
const (
	inspectLimit  = 5 * time.Second
	inspectAtOnce = 8
)

// Conditions says how each container of a project is. One that is removed
// meanwhile is left out, and one that the Engine hangs with is silent.
func (t *Target) Conditions(ctx context.Context, projectName string) ([]project.Condition, error) {
	have, err := t.Containers(ctx, projectName)
	if err != nil {
		return nil, err
	}
	found := make([]*project.Condition, len(have))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(inspectAtOnce)
	for i, c := range have {
		group.Go(func() (err error) {
			found[i], err = t.conditionOf(asking, c, awaitedBy(have, c.Service))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var out []project.Condition
	ended := false
	for _, c := range found {
		if c != nil {
			ended = ended || c.State == container.StateExited
			out = append(out, *c)
		}
	}
	if !ended {
		return out, nil
	}
	signalled, err := t.signalled(ctx, projectName)
	for i := range out {
		out[i].Signalled = signalled[out[i].ID] && out[i].State == container.StateExited
	}
	return out, err
}

// conditionOf asks for one container; nil where it is gone.
func (t *Target) conditionOf(ctx context.Context, c project.Container, awaited bool) (*project.Condition, error) {
	limited, done := context.WithTimeout(ctx, inspectLimit)
	defer done()
	inspected, err := t.engine.ContainerInspect(limited, c.ID)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil, nil
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return &project.Condition{Container: c, Silent: true}, nil
	case err != nil:
		return nil, t.reached(fmt.Errorf("container %s: %w", c.Name, err))
	}
	found := conditionFrom(c, inspected, awaited)
	return &found, nil
}

func conditionFrom(c project.Container, i container.InspectResponse, awaited bool) project.Condition {
	out := project.Condition{Container: c, EndsByItself: awaited}
	out.State, out.ExitCode, out.Restarts, out.OOMKilled = i.State.Status, i.State.ExitCode, i.RestartCount, i.State.OOMKilled
	out.Error = i.State.Error
	out.StartedAt, out.FinishedAt = timeOf(i.State.StartedAt), timeOf(i.State.FinishedAt)
	if i.HostConfig != nil {
		out.RestartPolicy = string(i.HostConfig.RestartPolicy.Name)
		restarted := out.RestartPolicy == string(container.RestartPolicyAlways) || out.RestartPolicy == string(container.RestartPolicyUnlessStopped)
		out.EndsByItself = awaited || !restarted && i.State.Health == nil && len(i.HostConfig.PortBindings) == 0
	}
	if h := i.State.Health; h != nil && c.Health != container.Healthy {
		out.Health = h.Status
		if last := len(h.Log) - 1; last >= 0 && h.Log[last].ExitCode != 0 {
			out.HealthOutput = fmt.Sprintf("its health check ended with %d: %s", h.Log[last].ExitCode, strings.Join(strings.Fields(h.Log[last].Output), " "))
			if h.FailingStreak > 0 { // 0 while it starts: failures do not count yet
				out.UnhealthySince = h.Log[max(0, len(h.Log)-h.FailingStreak)].Start
			}
		}
	}
	return out
}

// awaitedBy reports whether a service is one that others start after.
func awaitedBy(have []project.Container, service string) bool {
	return slices.ContainsFunc(have, func(c project.Container) bool {
		for part := range strings.SplitSeq(c.Labels[api.DependenciesLabel], ",") {
			name, condition, _ := strings.Cut(part, ":")
			if name == service && strings.HasPrefix(condition, "service_completed_successfully") {
				return true
			}
		}
		return false
	})
}

// timeOf is a time of the Engine; the zero time where there is none.
func timeOf(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() < 1970 {
		return time.Time{}
	}
	return at.UTC()
}

// harmless are the signals that tell a program something else than to end:
// HUP, USR1, USR2 and WINCH.
var harmless = []string{"1", "10", "12", "28"}

// signalled returns the containers that have ended after they were told to.
func (t *Target) signalled(ctx context.Context, projectName string) (map[string]bool, error) {
	now, err := t.engineTime(ctx)
	if err != nil {
		return nil, err
	}
	history, err := t.history(ctx, projectName, now)
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, event := range history {
		switch event.Action {
		case events.ActionStart:
			delete(told, event.Actor.ID)
		case events.ActionKill:
			if !slices.Contains(harmless, event.Actor.Attributes["signal"]) {
				told[event.Actor.ID] = true
			}
		}
	}
	return told, nil
}
