package check

import (
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
)

type standing string

const (
	isUp      standing = "up"
	isWaiting standing = "waiting"
	isBroken  standing = "broken"
)

// sightings remember by container id when a container was first seen running,
// and after how many restarts.
type sightings map[string]sighting

type sighting struct {
	since    time.Time
	restarts int
}

const readLog = "read its log for the cause"

func about(k project.Container, hint, format string, args ...any) finding {
	return finding{container: k.ID, problem: k.Name + " " + fmt.Sprintf(format, args...), hint: hint}
}

// judge says how a container stands, and what is the matter where it is not up.
func (c *containersCheck) judge(k project.Container, s types.ServiceConfig, seen sightings, now time.Time) (standing, finding) {
	switch {
	case k.State == "running" && k.Health != "":
		return healthy(k)
	case k.State == "running":
		return c.settled(k, seen, now)
	case k.State == "exited":
		return ended(k, s)
	case k.State == "created":
		return isWaiting, about(k, "see what it depends on, and in the run's log why it was not started", "is created, not started")
	case k.State == "removing":
		return isWaiting, about(k, "deploy the stack again", "is being removed")
	case k.State == "restarting":
		return isBroken, about(k, readLog, "is restarting (exit code %d, %d restarts)", k.ExitCode, k.Restarts)
	case k.State == "paused":
		return isBroken, about(k, "docker unpause "+k.Name, "is paused")
	}
	return isBroken, about(k, readLog, "is %s", k.State)
}

func healthy(k project.Container) (standing, finding) {
	switch k.Health {
	case "healthy":
		return isUp, finding{}
	case "unhealthy":
		return isBroken, about(k, "read its log, and with docker inspect what its health check says", "is unhealthy")
	}
	return isWaiting, about(k, "read its log; a longer start_period gives a slow service more time", "runs, its health check says %s", k.Health)
}

func (c *containersCheck) settled(k project.Container, seen sightings, now time.Time) (standing, finding) {
	first, known := seen[k.ID]
	if !known {
		first = sighting{since: now, restarts: k.Restarts}
		// A container that never restarted runs since about its creation.
		if k.Restarts == 0 && !k.Created.IsZero() && k.Created.Before(now) {
			first.since = k.Created
		}
		seen[k.ID] = first
	}
	if k.Restarts > first.restarts {
		return isBroken, about(k, readLog, "keeps restarting (%d restarts)", k.Restarts)
	}
	if up := now.Sub(first.since); up < c.Settle {
		return isWaiting, about(k, readLog, "is up for %s of %s", round(up), c.Settle)
	}
	return isUp, finding{}
}

func ended(k project.Container, s types.ServiceConfig) (standing, finding) {
	switch {
	case k.ExitCode != 0:
		return isBroken, about(k, readLog, "exited with code %d", k.ExitCode)
	case runsOnce(s):
		return isUp, finding{}
	}
	return isBroken, about(k, "start it again: somebody may have stopped it", "has stopped (exit code 0)")
}
