package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"deployer/state"
)

func newBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup STACK | backup --self FILE", Short: "Back the volumes of a stack up, or deployer itself", GroupID: groupServer,
		Args: cobra.MaximumNArgs(1),
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	self := selfFlags(cmd)
	recipient := cmd.Flags().String("recipient", "", "with --self: encrypt the file to this age recipient")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *self.file != "" {
			if len(args) > 0 {
				return usageError("--self backs deployer itself up: name no stack")
			}
			return self.backUp(cmd, connect, *recipient)
		}
		if len(args) != 1 {
			return usageError("name a stack, or give --self FILE")
		}
		c, err := connect()
		if err != nil {
			return err
		}
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), stackPath(args[0], "/backup"), map[string]string{"reason": *ask.reason})
	}
	list := newBackups()
	list.Use, list.Aliases, list.GroupID = "list [STACK]", nil, ""
	cmd.AddCommand(list)
	return cmd
}

func newBackups() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backups [STACK]", Short: "List backups, newest first", GroupID: groupServer, Args: cobra.MaximumNArgs(1),
	}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		query := url.Values{"limit": {"500"}}
		if len(args) == 1 {
			query.Set("stack", args[0])
		}
		var page struct {
			Backups []*state.Backup `json:"backups"`
		}
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/backups?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		if len(args) == 1 && len(page.Backups) == 0 {
			if err := c.emptyOf(cmd.Context(), args[0]); err != nil {
				return err
			}
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), page)
		}
		return table(cmd.OutOrStdout(), func(row func(...any)) {
			row("BACKUP", "STACK", "SIZE", "FILES", "WHEN", "WHY", "")
			for _, b := range page.Backups {
				state := b.Archive
				if b.Missing {
					state = "MISSING: " + b.Archive
				}
				row(b.ID, b.Stack, units.BytesSize(float64(b.Size)), b.Files, since(b.At), b.Why, state)
			}
		})
	}
	return cmd
}

func newRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore BACKUP | restore --self FILE", Short: "Replace the content of a volume with that of a backup, or put deployer itself back",
		GroupID: groupServer, Args: cobra.MaximumNArgs(1),
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	self := selfFlags(cmd)
	identity := cmd.Flags().String("identity", "", "with --self: file of the age key that the file is encrypted to")
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *self.file != "" {
			if len(args) > 0 {
				return usageError("--self puts deployer itself back: name no backup")
			}
			return self.restore(cmd.OutOrStdout(), *identity)
		}
		if len(args) != 1 {
			return usageError("name a backup (`deployer backups` lists them), or give --self FILE")
		}
		c, err := connect()
		if err != nil {
			return err
		}
		if !*yes {
			fmt.Fprintf(cmd.OutOrStdout(), "This stops what uses the volume and replaces its content with %s. What it holds now is backed up before.\nGo on? [y/N] ", args[0])
			var answer string
			_, _ = fmt.Fscanln(cmd.InOrStdin(), &answer)
			if answer != "y" && answer != "yes" {
				return exitError{exitUsage, fmt.Errorf("nothing was done; say y, or give --yes")}
			}
		}
		path := "/api/v1/backups/" + url.PathEscape(args[0]) + "/restore"
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), path, map[string]string{"reason": *ask.reason})
	}
	return cmd
}
