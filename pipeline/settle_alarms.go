package pipeline

import (
	"slices"
	"strconv"
	"strings"

	"deployer/state"
)

// settleAlarms brings what is known of containers that are down up to date: a
// run that found all of them up has said that they are well, and one that
// failed has told of what it leaves. One that ended before its first change,
// or that backs up, says nothing about it.
func (x *Execution) settleAlarms(s *state.Stack) {
	run := x.Run
	if run.Kind.OfRelease() && run.Phase == state.PhasePreparing || run.Kind == state.KindBackup {
		return
	}
	s.Left = nil
	switch run.Status {
	case state.RunFailed, state.RunRollbackFailed:
		s.Left = &state.Left{Run: run.ID}
	case state.RunSucceeded, state.RunRolledBack:
		if x.up {
			s.Alarms = slices.DeleteFunc(s.Alarms, x.ends)
		}
	}
}

// ends reports whether an alarm is over now that every container is up. That
// does not say that one which was kept restarts no more.
func (x *Execution) ends(alarm state.Reading) bool {
	if !IsLoop(alarm.Key) || !x.Run.Kind.OfRelease() {
		return true
	}
	return x.Run.Changes != nil && slices.ContainsFunc(x.Run.Changes.Services, func(c state.ServiceChange) bool {
		return c.Action != state.ActionKeep && isUnitOf(UnitOfKey(alarm.Key), c.Name)
	})
}

// isUnitOf reports whether a container is called after a service.
func isUnitOf(unit, service string) bool {
	number, ok := strings.CutPrefix(unit, service+"-")
	if !ok {
		return unit == service
	}
	_, err := strconv.Atoi(number)
	return err == nil
}
