package queue

import (
	"cmp"
	"slices"

	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// A want is what a release wants of a service.
type want struct {
	replicas int
	always   bool // it is never without them
}

// missing returns the containers that a live release wants and that are not
// there. One that may end by itself, and be removed then, is missed where it
// was seen at work, or where people were told that it is down.
func (w *watchdog) missing(stack *pipeline.Stack, known *state.Stack, v *vigil, have []project.Condition) (out []pipeline.Trouble) {
	there := map[string]map[int]bool{}
	for _, c := range have {
		if there[c.Service] == nil {
			there[c.Service] = map[int]bool{}
		}
		there[c.Service][max(c.Number, 1)] = true
	}
	for service, want := range w.wants(stack, known.Live, v) {
		for number, lacks := 1, want.replicas-len(there[service]); lacks > 0; number++ {
			if there[service][number] {
				continue
			}
			lacks--
			t := pipeline.Missing(stack.Name, service, number)
			if want.always || v.ran[t.Name] || alarmOf(known, t.Name) != nil {
				out = append(out, t)
			}
		}
	}
	slices.SortFunc(out, func(a, b pipeline.Trouble) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// wants returns what containers the live release wants, by service.
func (w *watchdog) wants(stack *pipeline.Stack, live *state.Release, v *vigil) map[string]want {
	if v.release == live.ID {
		return v.wants
	}
	kept, err := w.runner.Open(stack, live)
	if err != nil {
		w.log.Warn("open the live release, to see whether it lacks a container", "stack", stack.Name, "error", err)
		return nil
	}
	v.release, v.wants = live.ID, map[string]want{}
	for name := range live.Images {
		v.wants[name] = want{kept.Replicas(name), kept.MustRun(name)}
	}
	return v.wants
}
