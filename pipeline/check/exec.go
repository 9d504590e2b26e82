package check

import (
	"context"
	"fmt"
)

// execCheck runs a command in a container of a service.
type execCheck struct {
	Service text        `check:"service,required"`
	Command argv        `check:"command,required"`
	Exit    int         `check:"exit"`
	Output  expectation `check:"output"`
}

func newExec() Check { return &execCheck{} }

func (c *execCheck) Run(ctx context.Context, w *World) Result {
	if w.Engine == nil || w.Project == nil {
		return skipped("there is no Engine or no project to look at")
	}
	got, err := w.Engine.Exec(ctx, w.Project.Name, c.Service.plain, c.Command.plain())
	if err != nil {
		return failed(fmt.Sprintf("cannot run `%s` in %s: %s", c.Command, c.Service, reason(err)),
			"see that the service runs and that its image has the command")
	}
	evidence := fmt.Sprintf("`%s` in %s exited with code %d", c.Command, c.Service, got.ExitCode)
	why := c.Output.unmet(got.Output)
	switch {
	case got.ExitCode != c.Exit:
		evidence += fmt.Sprintf(", want %d", c.Exit)
	case why != "":
		evidence += ", but its output " + why
	default:
		return passed(evidence)
	}
	if output := LastLines(got.Output, logLines); output != "" {
		evidence += "\nits last lines:\n" + output
	}
	return failed(evidence, "run it by hand with docker compose exec to see more")
}
