package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"deployer/project"
)

// checkMovedData refuses a deploy that would show a service an empty folder
// where it had its data: mounted from a folder of the host until now, as by an
// adopted project, and from deployer's own place from now on.
func (x *Execution) checkMovedData(context.Context) (string, error) {
	if x.Known.Live == nil {
		return "no release before", nil
	}
	old, err := x.runner.resolveKept(x.Stack, x.Known.Live)
	if err != nil {
		return "", fmt.Errorf("resolve the live release: %w", err)
	}
	var lost, remedies []string
	for _, m := range x.Project.Mounts {
		before := hostMount(old, m)
		if before == "" || !isEmpty(m.Host) {
			continue
		}
		lost = append(lost, fmt.Sprintf("%s has its data for %s in %s, and would find none in the new place", m.Service, m.Target, before))
		remedies = append(remedies, fmt.Sprintf("%s: `x-deployer: {files: {%s: %s}}`", m.Service, x.Project.Local(m.Path), before))
	}
	if len(lost) == 0 {
		return "every folder with data stays where it is", nil
	}
	return "", WithHint(errors.New(strings.Join(lost, "; ")),
		"keep it where it is with "+strings.Join(remedies, ", ")+", or move it to the new place before")
}

// hostMount is the folder of the host that a service had where it now mounts
// data of deployer's; empty where it had none.
func hostMount(old *project.Project, m project.Mount) string {
	if m.Kind != project.MountData {
		return ""
	}
	for _, o := range old.Mounts {
		if o.Kind == project.MountHost && o.Service == m.Service && o.Target == m.Target && filepath.Clean(o.Host) != filepath.Clean(m.Host) {
			return o.Host
		}
	}
	return ""
}

func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || len(entries) == 0
}
