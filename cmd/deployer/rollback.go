package main

import (
	"github.com/spf13/cobra"
)

func newRollback() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rollback STACK", Short: "Go back to the good release before the live one, or to one you name", GroupID: groupServer,
		Args: cobra.ExactArgs(1),
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	to := cmd.Flags().String("to", "", "a run or a commit whose release was verified")
	pin := cmd.Flags().Bool("pin", false, "stay there until the stack is unpinned")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), stackPath(args[0], "/rollback"), struct {
			To     string `json:"to,omitempty"`
			Pin    bool   `json:"pin,omitempty"`
			Reason string `json:"reason,omitempty"`
		}{*to, *pin, *ask.reason})
	}
	return cmd
}
