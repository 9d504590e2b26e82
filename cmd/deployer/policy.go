package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"deployer/config"
	"deployer/pipeline"
	"deployer/project"
	"deployer/project/policy"
	"deployer/target/compose"
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
// on a shelf. Where deployer runs in a container of the target, paths are those
// of its host too: what deployer sees by one name, stacks would mount by another.
func (a *app) policy(c *config.Config, stack *config.Stack, shelf string, target *compose.Target) (pipeline.Policy, error) {
	want := c.PolicyOf(stack)
	host := policy.Host{
		Own:  append(c.Files(), a.started.Data, a.memory),
		Data: pipeline.NewRoots(a.started.Data, a.memory, shelf).Data,
		Root: rootOf(target),
	}
	if socket, ok := strings.CutPrefix(stack.Target.Docker, "unix://"); ok {
		host.Sockets, host.Resolve = []string{socket}, realName
	}
	if home := a.home[target]; home != nil {
		host.Volumes = home.Volumes()
		host.Own, host.Sockets = withHostPaths(home, host.Own), withHostPaths(home, host.Sockets)
	}
	p, err := policy.New(want.Base, want.Allow, want.Deny, host)
	return judge{p}, err
}

// rootOf asks an Engine once where it keeps images and volumes.
func rootOf(target *compose.Target) func() string {
	var known atomic.Pointer[string]
	return func() string {
		if root := known.Load(); root != nil {
			return *root
		}
		ctx, done := context.WithTimeout(context.Background(), homeLimit)
		defer done()
		info, err := target.Info(ctx)
		if err != nil {
			return "" // preflight says so itself
		}
		known.Store(&info.RootDir)
		return info.RootDir
	}
}

func withHostPaths(home *compose.Home, paths []string) []string {
	for _, path := range slices.Clone(paths) {
		if at := home.HostPath(path); at != "" && at != path {
			paths = append(paths, at)
		}
	}
	return paths
}

// maxSymlinks bounds the symlinks on the way to one path, as Linux does.
const maxSymlinks = 40

// realName follows the symlinks of a path. What is not there is no symlink, and
// what a symlink leads to need not be there either: in a container of its own
// deployer sees little of the host. With an error the path is followed as far
// as deployer may look.
func realName(path string) (string, error) {
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			at = next
			continue
		case err != nil:
			return filepath.Join(append([]string{next}, rest...)...), err
		case info.Mode()&fs.ModeSymlink == 0:
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err == nil && links > maxSymlinks {
			err = &fs.PathError{Op: "follow", Path: path, Err: syscall.ELOOP}
		}
		if err != nil {
			return filepath.Join(append([]string{next}, rest...)...), err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, nil
}

// folderPolicy is what a folder on the desk is judged by: where none is asked,
// the one that a server has unless its deployer.yaml says otherwise.
func folderPolicy(base string) (pipeline.Policy, error) {
	p, err := policy.New(cmp.Or(base, config.PolicyBaseline), nil, nil, policy.Host{Own: []string{"/var/lib/deployer", "/etc/deployer"}})
	if err != nil {
		return nil, err
	}
	return judge{p}, nil
}
