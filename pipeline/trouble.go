package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"deployer/project"
)

// A Trouble is what is the matter with a container of a live release, or with
// a service that lacks one.
type Trouble struct {
	Key       string // what a reading of it is known by
	Name      string // the service, with its number where it is not the first
	Service   string
	Container string // its id; empty where there is none
	Called    string // the container's name
	What      string // "exited with code 1"
	Evidence  string // what its health check, or the Engine, says; may hold a secret
	Since     time.Time
	Hint      string
}

// Keys of readings begin with what was the matter.
const (
	keyDown     = "container " // it is down or unhealthy
	keyRestarts = "restarts "  // its restart policy brings it back again and again
)

// UnitOf is what people call a container: its service, with its number where
// it is not the first.
func UnitOf(c project.Container) string {
	if c.Number > 1 {
		return fmt.Sprintf("%s-%d", c.Service, c.Number)
	}
	return c.Service
}

// IsLoop reports whether a reading's key is that of a container that restarts
// again and again.
func IsLoop(key string) bool { return strings.HasPrefix(key, keyRestarts) }

// UnitOfKey is the container that a reading's key is about.
func UnitOfKey(key string) string {
	return strings.TrimPrefix(strings.TrimPrefix(key, keyDown), keyRestarts)
}

// TroubleOf says what is the matter with a container; false where it does what
// it should, or is about to.
func TroubleOf(stack string, c project.Condition) (Trouble, bool) {
	t := Trouble{
		Key: keyDown + UnitOf(c.Container), Name: UnitOf(c.Container), Service: c.Service, Container: c.ID, Called: c.Name, Since: c.FinishedAt,
		Hint: fmt.Sprintf("read `docker logs %s`; `deployer restart %s %s` starts it again, `deployer rollback %s` goes back to the good release before", c.Name, stack, c.Service, stack),
	}
	if c.Silent {
		t.What, t.Since = fmt.Sprintf("is %s as the Engine lists it, but the Engine does not answer for it", c.State), time.Time{}
		t.Hint = fmt.Sprintf("see whether `docker inspect %s` hangs: a volume or a disk that does not answer does so; else restart Docker", c.Name)
		return t, true
	}
	switch c.State {
	case "running":
		if c.Health != "unhealthy" {
			return t, false
		}
		t.What, t.Evidence, t.Since = "is unhealthy", c.HealthOutput, c.UnhealthySince
	case "exited":
		if c.ExitCode == 0 && c.EndsByItself && !c.Signalled {
			return t, false
		}
		t.ended(stack, c)
	case "restarting":
		t.What = fmt.Sprintf("exited with code %d and waits for its next start", c.ExitCode)
	case "created":
		t.What, t.Evidence, t.Since = "was made, but not started", c.Error, c.Created
	case "paused":
		t.What, t.Since, t.Hint = "is paused", time.Time{}, "docker unpause "+c.Name
	default:
		t.What = "is " + c.State
	}
	return t, true
}

// ended says why a container has ended that should not have.
func (t *Trouble) ended(stack string, c project.Condition) {
	t.What = fmt.Sprintf("exited with code %d", c.ExitCode)
	switch {
	case c.OOMKilled:
		t.What += ": it ran out of memory"
		t.Hint = fmt.Sprintf("give it more memory, or see what it needs it for (`docker logs %s`); `deployer restart %s %s` starts it again", c.Name, stack, c.Service)
	case c.Error != "":
		t.What, t.Evidence = "could not be started", c.Error
	case c.Signalled, slices.Contains([]string{"always", "unless-stopped"}, c.RestartPolicy):
		t.What += ": it was stopped from outside"
		t.Hint = fmt.Sprintf("somebody, or something, has stopped it beside deployer; `deployer restart %s %s` starts it again", stack, c.Service)
	case c.ExitCode == 0:
		t.What += ", but is expected to keep running"
	case c.ExitCode == 137:
		t.What += ": something killed it"
	}
}

// LoopOf is the trouble of a container that was restarted again and again.
func LoopOf(stack string, c project.Condition, restarts int, since time.Time, within time.Duration) Trouble {
	t := Trouble{
		Key: keyRestarts + UnitOf(c.Container), Name: UnitOf(c.Container), Service: c.Service, Container: c.ID, Called: c.Name, Since: since,
		What: fmt.Sprintf("restarts again and again: %d times in %s, the last exit code was %d", restarts, max(within.Round(time.Second), time.Second), c.ExitCode),
		Hint: fmt.Sprintf("read `docker logs %s`; `deployer rollback %s` goes back to the good release before", c.Name, stack),
	}
	if c.OOMKilled {
		t.What += ": it ran out of memory"
	}
	return t
}

// Missing is the trouble of a service that has fewer containers than it wants,
// by the lowest number that is free.
func Missing(stack, service string, number int) Trouble {
	unit := UnitOf(project.Container{Service: service, Number: number})
	return Trouble{
		Key: keyDown + unit, Name: unit, Service: service, What: "has no container: somebody has removed it",
		Hint: fmt.Sprintf("`deployer deploy %s` makes it again", stack),
	}
}

// Replicas is how many containers the release wants of a service.
func (k *KeptRelease) Replicas(service string) int {
	s, ok := k.Project.Compose.Services[service]
	if !ok || s.Provider != nil {
		return 0
	}
	return s.GetScale()
}

// MustRun reports whether a service of the release is never without a
// container, by what its compose file says.
func (k *KeptRelease) MustRun(service string) bool {
	if k.Replicas(service) == 0 {
		return false
	}
	s := k.Project.Compose.Services[service]
	policy := s.Restart
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		policy = s.Deploy.RestartPolicy.Condition
	}
	probed := s.HealthCheck != nil && !s.HealthCheck.Disable
	return probed || len(s.Ports) > 0 || slices.Contains([]string{"always", "unless-stopped", "any"}, policy)
}
