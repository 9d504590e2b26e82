package main

import (
	"os"
	"path/filepath"
	"strings"

	"deployer/config"
	"deployer/pipeline"
	"deployer/project"
	"deployer/project/policy"
)

// A judge is a policy as the pipeline asks for it.
type judge struct{ *policy.Policy }

func (j judge) Name() string { return j.Base() }

func (j judge) Judge(p *project.Project, s pipeline.Safeguards) []pipeline.Refusal {
	var out []pipeline.Refusal
	for _, r := range j.Policy.Judge(p, policy.Safeguards(s)) {
		out = append(out, pipeline.Refusal{Message: r.String(), Hint: r.Remedy})
	}
	return out
}

// policy is what a stack of the configuration is judged by, whose own data lie
// on a shelf.
func (a *app) policy(c *config.Config, stack *config.Stack, shelf string) (pipeline.Policy, error) {
	want := c.PolicyOf(stack)
	host := policy.Host{
		Own:  append(c.Files(), a.started.Data, a.memory),
		Data: pipeline.NewRoots(a.started.Data, a.memory, shelf).Data,
	}
	if socket, ok := strings.CutPrefix(stack.Target.Docker, "unix://"); ok {
		host.Sockets, host.Resolve = []string{socket}, realName
	}
	p, err := policy.New(want.Base, want.Allow, want.Deny, host)
	return judge{p}, err
}

// realName follows the symlinks of a path as far as it exists.
func realName(path string) string {
	rest := ""
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return filepath.Clean(path)
		}
		if target, err := os.Readlink(at); err == nil && filepath.IsAbs(target) && rest == "" {
			return filepath.Clean(target) // it leads to what is not there yet
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// folderPolicy is what a folder on the desk is judged by; nil for none asked.
func folderPolicy(base string) (pipeline.Policy, error) {
	if base == "" {
		return nil, nil
	}
	p, err := policy.New(base, nil, nil, policy.Host{Own: []string{"/var/lib/deployer", "/etc/deployer"}})
	if err != nil {
		return nil, err
	}
	return judge{p}, nil
}
