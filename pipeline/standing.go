package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"deployer/pipeline/check"
	"deployer/state"
)

// A standing is how the live release stands before the change.
type standing struct {
	failing    map[string]string // keys of its checks that fail → evidence
	unreadable error             // why its checks could not be read
	took       time.Duration
}

// lookAtLive runs the live release's own checks once: what fails now has a
// cause outside of this push.
func (x *Execution) lookAtLive(ctx context.Context) (s standing) {
	s.failing = map[string]string{}
	defer func() {
		if p := recover(); p != nil { // beside the stage, whose own recover does not reach here
			s.unreadable = fmt.Errorf("a fault of deployer itself: %v", p)
		}
	}()
	if x.Known.LastGood == nil || x.Known.Live == nil || x.Known.Live.ID != x.Known.LastGood.ID || x.Run.Phase != state.PhasePreparing {
		return s
	}
	live, err := x.open(x.Known.Live)
	if err != nil {
		s.unreadable = err
		return s
	}
	started := x.runner.now()
	var looks []check.Spec
	for _, spec := range live.File.Verify {
		looks = append(looks, spec.Once())
	}
	for i, a := range x.ask(ctx, looks, live.world(x)) {
		if a.Status == state.StepFailed {
			s.failing[looks[i].Key()] = a.Message
		}
	}
	s.took = x.since(started)
	return s
}

// noteLive keeps what fails before the change, and says so.
func (x *Execution) noteLive(s standing) {
	x.Outage = s.failing
	if s.unreadable != nil {
		x.record("live release", check.Result{Status: state.StepSkipped, Message: "its checks could not be read: " + s.unreadable.Error()}, s.took)
	}
	if len(s.failing) == 0 {
		return
	}
	x.record("live release", check.Result{
		Status:  state.StepWarned,
		Message: "the live release fails its own checks before the change: " + strings.Join(slices.Sorted(maps.Values(s.failing)), "; "),
		Hint:    "look outside of this push; a check that fails now does not quarantine it",
	}, s.took)
}
