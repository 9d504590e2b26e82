package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/spf13/cobra"

	"deployer/pipeline"
	"deployer/project"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check DIR", Short: "Look at a stack before it is pushed; no server is needed", GroupID: groupHere, Args: cobra.ExactArgs(1),
		Long: `Looks at the folder of a stack as it is on the disk: pipeline.yaml, the env file, the
compose files, and those checks of preflight that need neither the server nor its
Engine. What does not run here is shown as skipped, with the reason.`,
	}
	keys, asJSON := keyFlags(cmd), jsonFlag(cmd)
	environment := cmd.Flags().String("environment", "", "an entry of environments in pipeline.yaml; default: its top level")
	name := cmd.Flags().String("project", "", "compose project; default: as the compose file or the folder says")
	base := cmd.Flags().String("policy", "", "judge it by none, baseline or strict, as the server does; default: what baseline refuses is warned of")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		judge, err := folderPolicy(*base)
		if err != nil {
			return exitError{exitUsage, err}
		}
		root, dir, err := findStack(args[0])
		if err != nil {
			return exitError{exitUsage, err}
		}
		tree, err := project.OpenDirTree(root)
		if err != nil {
			return exitError{exitUsage, err}
		}
		defer tree.Close()
		if *name == "" {
			*name = projectName(tree, root, dir)
		}
		steps, err := pipeline.CheckFolder(cmd.Context(), pipeline.Folder{
			Tree: tree, Directory: dir, Project: *name, Environment: *environment, Keys: keys(), Policy: judge, Advisory: *base == "",
		})
		report := stepReport{Dir: args[0], Environment: *environment, Steps: steps}
		if shown := report.show(cmd, *asJSON); err == nil {
			return shown
		}
		return exitError{exitUsage, errors.New("pipeline.yaml cannot be used as it is")}
	}
	return cmd
}

// findStack returns the root of the repository that a folder lies in, and the
// folder from there. A folder in no repository is its own root.
func findStack(dir string) (root, inside string, err error) {
	dir, err = realPath(dir)
	if err != nil {
		return "", "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", "", err
	}
	if !info.IsDir() {
		return "", "", usageError("%s is no folder: name the one with the compose file", dir)
	}
	for root = dir; ; root = filepath.Dir(root) {
		if _, err := os.Lstat(filepath.Join(root, ".git")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			return dir, ".", nil
		}
	}
	inside, err = filepath.Rel(root, dir)
	return root, filepath.ToSlash(inside), err
}

// projectName is what the compose file calls the project, else the folder's
// own name: deployer.yaml names it on the server.
func projectName(tree fs.FS, root, dir string) string {
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"} {
		text, err := fs.ReadFile(tree, filepath.ToSlash(filepath.Join(dir, name)))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "name:"); ok {
				value, _, _ = strings.Cut(value, "#")
				return strings.Trim(strings.TrimSpace(value), `"'`)
			}
		}
		break
	}
	name := loader.NormalizeProjectName(filepath.Base(filepath.Join(root, filepath.FromSlash(dir))))
	if name == "" {
		return "stack"
	}
	return name
}
