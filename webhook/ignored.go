package webhook

import "deployer/state"

// ignored makes e the event of a delivery that changes nothing.
func ignored(e state.Event, why string) []state.Event {
	e.Kind, e.Ignored = state.EventIgnored, why
	return []state.Event{e}
}

// otherEvent ignores an event that is neither a push nor a pull request, by
// the name that GitHub gave it and others took over.
func otherEvent(e state.Event, name string) []state.Event {
	name = line(name, maxName)
	switch name {
	case "ping":
		return ignored(e, "ping: the webhook is set up and its signature is right")
	case "create", "delete":
		return ignored(e, name+": the push event says the same")
	}
	return ignored(e, name+": nothing here reacts to this event")
}
