package main

import (
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"deployer/state"
)

func newPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plan STACK|DIR", Short: "Show what a deploy, or a push of a folder, would change; nothing is touched", GroupID: groupServer, Args: cobra.ExactArgs(1),
		Long: `With the name of a stack: asks the server what a deploy of the branch's tip, or of
--commit, would change.

With a folder (a path with a slash, or a name where no server is given): compares it, as
it is on the disk, with the commit that the server has live, where --server is given, and
else with Git's HEAD. Only names and commits go over the network: both are read from the
repository here. Without a key for the env file the values of its example stand for the
real ones.

Exit code 0: the plan was made, also where nothing changes. 1: a check fails, and a deploy
would stop. 2: wrong use, or something cannot be read.`,
	}
	server, asJSON, keys := serverFlags(cmd), jsonFlag(cmd), keyFlags(cmd)
	commit := cmd.Flags().String("commit", "", "of a stack: a commit of its branch; default: the tip")
	f := planFlags{
		stack:       cmd.Flags().String("stack", "", "of a folder: its name on the server; default: the compose project's"),
		environment: cmd.Flags().String("environment", "", "of a folder: an entry of environments in pipeline.yaml; default: its top level"),
		project:     cmd.Flags().String("project", "", "of a folder: compose project; default: as the compose file or the folder says"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		hasServer := cmd.Flags().Lookup("server").Value.String() != ""
		if !isFolder(args[0], hasServer) {
			c, err := server()
			if err != nil {
				return err
			}
			changes, err := c.plan(cmd, args[0], *commit)
			if err != nil {
				return err
			}
			return showPlan(cmd, changes, *asJSON)
		}
		if *commit != "" {
			return usageError("--commit goes with the name of a stack: a folder is planned as it is on the disk")
		}
		f.keys = keys()
		if hasServer {
			c, err := server()
			if err != nil {
				return err
			}
			f.server = c
		}
		changes, err := f.planFolder(cmd, args[0])
		if err != nil {
			return err
		}
		return showPlan(cmd, changes, *asJSON)
	}
	return cmd
}

// isFolder tells a folder from the name of a stack, which has no slash.
func isFolder(arg string, hasServer bool) bool {
	if strings.ContainsRune(arg, '/') || arg == "." || arg == ".." {
		return true
	}
	info, err := os.Stat(arg)
	return !hasServer && err == nil && info.IsDir()
}

func (c *apiClient) plan(cmd *cobra.Command, stack, commit string) (*state.Changes, error) {
	var answer struct {
		Changes state.Changes `json:"changes"`
	}
	body := map[string]string{}
	if commit != "" {
		body["commit"] = commit
	}
	err := c.do(cmd.Context(), http.MethodPost, stackPath(stack, "/plan"), body, &answer)
	return &answer.Changes, err
}
