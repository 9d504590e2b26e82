package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"deployer/state"
)

func newLogs() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logs RUN|STACK", Short: "Print the log of a run, or of a stack's newest run, and follow it while it runs", GroupID: groupServer,
		Args: cobra.ExactArgs(1),
		Long: `Prints the log of a run, or of a stack's newest run, and follows it while it runs.
With --json: the run, once it is over, with its lines under log.`,
	}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		id, err := c.runOf(cmd, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return c.logAsJSON(cmd, id)
		}
		_, err = c.follow(cmd.Context(), id, cmd.OutOrStdout())
		return c.neither(cmd, args[0], err)
	}
	return cmd
}

// logAsJSON prints the API's own view of a run, with its log.
func (c *apiClient) logAsJSON(cmd *cobra.Command, id string) error {
	var text bytes.Buffer
	if _, err := c.follow(cmd.Context(), id, &text); err != nil {
		return c.neither(cmd, id, err)
	}
	run := map[string]json.RawMessage{}
	if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/runs/"+url.PathEscape(id), nil, &run); err != nil {
		return err
	}
	lines := []string{}
	for line := range strings.Lines(text.String()) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	log, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	run["log"] = log
	return printJSON(cmd.OutOrStdout(), run)
}

// neither says of what is no run that it is no stack either, or one that has
// none yet.
func (c *apiClient) neither(cmd *cobra.Command, name string, err error) error {
	p := (*problem)(nil)
	if !errors.As(err, &p) || p.Status != http.StatusNotFound || !strings.HasPrefix(p.Detail, "no run ") {
		return err
	}
	noStack := c.emptyOf(cmd.Context(), name)
	if noStack == nil {
		return fmt.Errorf("stack %s has no run yet", name)
	}
	return usageError("no run and %w", noStack)
}

// runOf returns a run's id: the argument itself, or the newest run of the
// stack that it names.
func (c *apiClient) runOf(cmd *cobra.Command, arg string) (string, error) {
	var page struct {
		Runs []*state.Run `json:"runs"`
	}
	err := c.do(cmd.Context(), http.MethodGet, "/api/v1/runs?limit=1&stack="+url.QueryEscape(arg), nil, &page)
	if err == nil && len(page.Runs) == 1 {
		return page.Runs[0].ID, nil
	}
	return arg, nil
}
