package pipeline

import (
	"fmt"
	"strings"

	"deployer/project"
	"deployer/state"
)

// checkAdopted refuses that a first release which nobody asked for by hand
// takes over what somebody else has started: that a commit describes a
// project otherwise than it runs is too little to recreate its containers.
// Where all of them can stay, nothing is in the way.
func (x *Execution) checkAdopted(changes *state.Changes) error {
	if x.Known.Live != nil || x.again != nil || x.Run.Phase != state.PhasePreparing || x.Run.Trigger.Kind.ByPerson() {
		return nil
	}
	var lost []string
	for _, s := range changes.Services {
		if why, foreign := strings.CutPrefix(s.Why, project.NotOurs); foreign {
			lost = append(lost, fmt.Sprintf("%s %s (%s)", s.Action, s.Name, why))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	name := x.Stack.Name
	return WithHint(fmt.Errorf("project %s runs already, started without deployer, and this would %s", x.Stack.Project, strings.Join(lost, ", ")),
		fmt.Sprintf("`deployer adopt %s` makes what runs the release to go back to; `deployer deploy %s` then makes these changes", name, name))
}
