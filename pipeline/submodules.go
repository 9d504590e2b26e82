package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"deployer/pipeline/check"
	"deployer/state"
)

// showSubmodules records which submodules the project has content from.
func (x *Execution) showSubmodules() {
	if x.Snapshot == nil || x.again != nil {
		return
	}
	var used []string
	for _, m := range x.Snapshot.Entered() {
		used = append(used, fmt.Sprintf("%s at %s of %s", m.Path, state.ShortCommit(m.Commit), m.URL))
	}
	if len(used) > 0 {
		x.record("submodules", check.Result{Status: state.StepPassed, Message: strings.Join(used, "; ")}, 0)
	}
}

// submodulesOfPaths are the submodules that patterns of pipeline.yaml reach
// into: a delivery names the submodule, not what changed in it.
func (x *Execution) submodulesOfPaths() []string {
	if x.Snapshot == nil {
		return nil
	}
	return slices.DeleteFunc(x.Snapshot.SubmodulePaths(), func(at string) bool {
		return !slices.ContainsFunc(x.File.Paths, func(pattern string) bool { return mayMatchIn(pattern, at) })
	})
}
