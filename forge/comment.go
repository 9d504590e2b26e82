package forge

import (
	"fmt"

	"deployer/state"
)

// Comment makes of a review the comment for its pull request, and the marker
// that it is found by. page is the address of the run's page.
func Comment(run *state.Run, page string) (marker, body string) {
	marker = fmt.Sprintf("<!-- deployer/%s -->", run.Stack)
	return marker, fmt.Sprintf("%s\n**%s**: the plan for %s is %s.\n\n%s", marker, run.Stack, short(run.Commit), run.Status, page)
}
