package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"deployer/state"
)

func newPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plan STACK", Short: "Show what a deploy would change; nothing is touched", GroupID: groupServer, Args: cobra.ExactArgs(1),
	}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	commit := cmd.Flags().String("commit", "", "a commit of the stack's branch; default: its tip")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		var answer struct {
			Changes state.Changes `json:"changes"`
		}
		body := map[string]string{}
		if *commit != "" {
			body["commit"] = *commit
		}
		if err := c.do(cmd.Context(), http.MethodPost, stackPath(args[0], "/plan"), body, &answer); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), answer)
		}
		return table(cmd.OutOrStdout(), func(row func(...any)) {
			row("SERVICE", "ACTION", "WHY")
			for _, s := range answer.Changes.Services {
				row(s.Name, s.Action, s.Why)
			}
		})
	}
	return cmd
}
