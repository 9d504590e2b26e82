package queue

import (
	"time"

	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// A vigil is what a watchdog remembers of one stack. What people were told of
// is in the database.
type vigil struct {
	due    time.Time            // when it is looked at next without a cause; zero: never
	down   map[string]time.Time // by container: when it was first seen down
	counts map[string][]count   // by container id: its restarts

	ran     map[string]bool // containers that were seen at work, and have not ended as they may
	release string          // that wants is of
	wants   map[string]want // by service
}

// A count is how often a container's restart policy has restarted it.
type count struct {
	at time.Time
	n  int
}

func newVigil() *vigil {
	return &vigil{down: map[string]time.Time{}, counts: map[string][]count{}, ran: map[string]bool{}}
}

// begin forgets what a run has overtaken. One that ended before its first
// change has overtaken nothing: pushes must not put off an alarm.
func (v *vigil) begin(after *state.Run) {
	if after.Kind.OfRelease() && after.Phase == state.PhasePreparing {
		return
	}
	release, wants := v.release, v.wants
	*v = *newVigil()
	v.release, v.wants = release, wants
}

// sees notes that a container is there, and whether it has ended as it may.
func (v *vigil) sees(c project.Container, over bool) {
	switch unit := pipeline.UnitOf(c); {
	case over:
		delete(v.ran, unit)
	case c.State == "running":
		v.ran[unit] = true
	}
}

// restarts returns how often a container was restarted within the time before
// now, and when that began.
func (v *vigil) restarts(c project.Condition, now time.Time, within time.Duration) (n int, since time.Time) {
	seen := v.counts[c.ID]
	switch {
	case c.Silent:
		return 0, now
	case len(seen) > 0 && c.Restarts == seen[len(seen)-1].n:
	case len(seen) > 0 && c.Restarts > seen[len(seen)-1].n:
		seen = append(seen, count{now, c.Restarts})
	case len(seen) == 0 && c.Restarts > 0 && now.Sub(c.FinishedAt) < within:
		seen = []count{{c.FinishedAt, c.Restarts - 1}, {c.FinishedAt, c.Restarts}} // what was seen is the first of them
	default: // somebody has started it
		seen = []count{{now, c.Restarts}}
	}
	for len(seen) > 1 && now.Sub(seen[1].at) >= within {
		seen = seen[1:]
	}
	v.counts[c.ID] = seen
	if len(seen) == 1 {
		return 0, now
	}
	return c.Restarts - seen[0].n, seen[1].at
}

// waits notes that a container is down, and returns since when it is seen so.
func (v *vigil) waits(unit string, now time.Time) time.Time {
	if _, ok := v.down[unit]; !ok {
		v.down[unit] = now
	}
	return v.down[unit]
}

// keep forgets the containers that are not down any more, and those that are gone.
func (v *vigil) keep(troubles []pipeline.Trouble, have []project.Condition) {
	down, there := map[string]bool{}, map[string]bool{}
	for _, t := range troubles {
		down[t.Name] = true
	}
	for _, c := range have {
		there[c.ID] = true
	}
	forget(v.down, down)
	forget(v.counts, there)
}

func forget[T any](m map[string]T, keep map[string]bool) {
	for key := range m {
		if !keep[key] {
			delete(m, key)
		}
	}
}
