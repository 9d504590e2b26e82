package queue

import (
	"slices"
	"strings"

	"deployer/state"
)

// A monitor may have the check containers, which sees what alarms are about:
// people are told by what sees it first.

// toldByMonitor returns the run of the monitor that has told already all that
// a look has to tell; empty where something is new.
func toldByMonitor(tx *state.Tx, known *state.Stack, s sight) (run string) {
	for _, t := range s.raised {
		at := slices.IndexFunc(known.Readings, func(r state.Reading) bool {
			return ofContainers(r) && r.Status == state.StepFailed && t.Called != "" && strings.Contains(r.Message, t.Called+" ")
		})
		if at < 0 || toldBy(tx, known.Readings[at].Run) != state.TriggerSchedule {
			return ""
		}
		run = known.Readings[at].Run
	}
	for _, alarm := range s.over {
		if toldBy(tx, alarm.Run) != state.TriggerSchedule {
			return ""
		}
		run = alarm.Run
	}
	return run
}

// toldByAlarm returns the run by which an alarm has told already all that
// readings of the monitor have to tell; empty where something is new.
func toldByAlarm(tx *state.Tx, known *state.Stack, changed []change) (run string) {
	for _, c := range changed {
		told := ""
		switch {
		case !ofContainers(*c.now):
		case c.now.Status == state.StepFailed && len(known.Alarms) > 0:
			told = known.Alarms[0].Run
		case c.now.Status == state.StepPassed && c.was != nil:
			told = c.was.Run
		}
		if toldBy(tx, told) != state.TriggerEngine {
			return ""
		}
		run = told
	}
	return run
}

func ofContainers(r state.Reading) bool { return strings.HasPrefix(r.Key, "containers-") }

// toldBy is what started the run that told something.
func toldBy(tx *state.Tx, run string) state.TriggerKind {
	told, err := tx.Run(run)
	if run == "" || err != nil {
		return "" // forgotten: to tell it twice is better than never
	}
	return told.Trigger.Kind
}
