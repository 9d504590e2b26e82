package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"deployer/state"
)

// stackView is what the API says of a stack, as far as a terminal shows it.
type stackView struct {
	Name      string            `json:"name"`
	Live      *state.ReleaseRef `json:"live"`
	LastGood  *state.ReleaseRef `json:"last_good"`
	Head      string            `json:"head"`
	Sync      string            `json:"sync"`
	Health    string            `json:"health"`
	Operation string            `json:"operation"`
	Waiting   *struct {
		For string `json:"for"`
		Run string `json:"run"`
	} `json:"waiting"`
	Lock        *state.Lock        `json:"lock"`
	Warning     string             `json:"warning"`
	Pin         *state.Pin         `json:"pin"`
	Quarantined []state.Quarantine `json:"quarantined"`
	LastRun     *lastRun           `json:"last_run"`
	Readings    []reading          `json:"readings"`
}

// A reading is what a check of the monitor or a look at the images last said,
// or what is the matter with a container.
type reading struct {
	Check   string           `json:"check"`
	Status  state.StepStatus `json:"status"`
	Message string           `json:"message"`
	Hint    string           `json:"hint"`
	Since   time.Time        `json:"since"`
}

// lastRun is how the newest run of a stack ended.
type lastRun struct {
	ID        string          `json:"id"`
	Kind      state.RunKind   `json:"kind"`
	Status    state.RunStatus `json:"status"`
	CreatedAt time.Time       `json:"created_at"`
	Error     string          `json:"error"`
	Hint      string          `json:"hint"`
}

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status [STACK]", Short: "Show what runs, and how it relates to Git", GroupID: groupServer, Args: cobra.MaximumNArgs(1),
	}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			return showStack(cmd, c, args[0], *asJSON)
		}
		return showStacks(cmd, c, *asJSON)
	}
	return cmd
}

func showStacks(cmd *cobra.Command, c *apiClient, asJSON bool) error {
	var answer struct {
		Stacks []stackView `json:"stacks"`
	}
	if asJSON {
		return passThrough(cmd, c, "/api/v1/stacks")
	}
	if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/stacks", nil, &answer); err != nil {
		return err
	}
	return table(cmd.OutOrStdout(), func(row func(...any)) {
		row("STACK", "SYNC", "HEALTH", "LIVE", "HEAD", "")
		for _, s := range answer.Stacks {
			row(s.Name, s.Sync, s.Health, s.liveCommit(), short(s.Head), oneLine(s.remark()))
		}
	})
}

func showStack(cmd *cobra.Command, c *apiClient, name string, asJSON bool) error {
	if asJSON {
		return passThrough(cmd, c, stackPath(name))
	}
	s := stackView{}
	if err := c.do(cmd.Context(), http.MethodGet, stackPath(name), nil, &s); err != nil {
		return err
	}
	return table(cmd.OutOrStdout(), func(row func(...any)) {
		row("stack", s.Name)
		row("sync", s.Sync)
		row("health", s.Health)
		for _, r := range s.Readings {
			if r.Status == state.StepFailed || r.Status == state.StepWarned {
				row(string(r.Status), fmt.Sprintf("%s: %s (%s)", r.Check, oneLine(r.Message), since(r.Since)))
				if r.Hint != "" {
					row("", "what to do: "+r.Hint)
				}
			}
		}
		row("operation", s.Operation)
		row("live", s.liveCommit())
		if s.LastGood != nil {
			row("last good", short(s.LastGood.Commit)+", "+since(s.LastGood.At))
		}
		row("head", short(s.Head))
		if r := s.LastRun; r != nil {
			row("last run", fmt.Sprintf("%s %s, %s, run %s", r.Kind, r.Status, since(r.CreatedAt), r.ID))
			if r.Error != "" {
				row("", r.Error)
			}
			if r.Hint != "" {
				row("", "what to do: "+r.Hint)
			}
		}
		if s.Waiting != nil {
			row("waiting", "for "+s.Waiting.For+", run "+s.Waiting.Run)
		}
		if s.Warning != "" {
			row("warning", s.Warning)
		}
		if s.Lock != nil {
			row("lock", s.Lock.Reason+" ("+s.Lock.By+", "+s.Lock.At.Format(time.DateTime)+")")
		}
		if s.Pin != nil {
			row("pin", short(s.Pin.Commit)+" by "+s.Pin.By)
		}
		for _, q := range s.Quarantined {
			row("quarantined", short(q.Commit)+" in run "+q.Run+": "+q.Why)
		}
	})
}

func (s stackView) liveCommit() string {
	if s.Live == nil {
		return "-"
	}
	return short(s.Live.Commit)
}

// remark is the one thing about a stack that a person should know first.
func (s stackView) remark() string {
	switch {
	case s.Lock != nil:
		return "locked: " + s.Lock.Reason
	case s.Operation == "running":
		return "a run is under way"
	case s.Waiting != nil:
		return "waiting for " + s.Waiting.For
	case s.Pin != nil:
		return "pinned by " + s.Pin.By
	case len(s.Quarantined) > 0 && s.Sync == string(state.SyncQuarantined):
		return s.Quarantined[len(s.Quarantined)-1].Why
	case s.Warning != "":
		return s.Warning
	case s.LastRun != nil && s.LastRun.Error != "":
		return fmt.Sprintf("%s %s: %s", s.LastRun.Kind, s.LastRun.Status, s.LastRun.Error)
	}
	return ""
}

const maxRemark = 120 // runes; the whole of it is in the view of one stack

// oneLine cuts a text to what fits a row of a table.
func oneLine(text string) string {
	line, rest, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > maxRemark {
		return string(runes[:maxRemark]) + "…"
	}
	if rest != "" {
		line += " …"
	}
	return line
}

// passThrough prints the API's own JSON.
func passThrough(cmd *cobra.Command, c *apiClient, path string) error {
	var answer any
	if err := c.do(cmd.Context(), http.MethodGet, path, nil, &answer); err != nil {
		return err
	}
	return printJSON(cmd.OutOrStdout(), answer)
}
