package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"deployer/config"
	"deployer/target/compose"
)

// homeLimit bounds what is asked of an Engine that deployer itself may run on.
const homeLimit = 30 * time.Second

// A line of mountinfo in which the Engine's file for a container is mounted
// where this process reads it. On the host there can be such lines too, while
// the Engine copies out of a container, but below that container's root.
var ownMount = regexp.MustCompile(`/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) /etc/(?:hostname|hosts|resolv\.conf) `)

// ownContainer is the id of the container that this process runs in; empty
// where it runs in none of Docker's.
func ownContainer() string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "" // no Linux, and so no container of Docker's
	}
	return containerOf(string(mounts))
}

func containerOf(mountinfo string) string {
	if m := ownMount.FindStringSubmatch(mountinfo); m != nil {
		return m[1]
	}
	return ""
}

// atHome finds deployer's own container on an Engine, once. Where it is there,
// what deployer hands to other containers as paths of the host must be there
// what it is here. An Engine elsewhere need not answer: the target looks for
// itself before it changes anything.
func (a *app) atHome(ctx context.Context, want config.Target, target *compose.Target) error {
	if _, looked := a.home[target]; a.container == "" || looked {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, homeLimit)
	defer done()
	home, err := target.Home(ctx)
	if err != nil && !strings.HasPrefix(want.Docker, "unix://") {
		a.log.Warn("whether deployer itself runs on an Engine is not known yet", "engine", want.Docker, "error", err)
		return nil
	}
	if err != nil {
		return exitError{exitUsage, err}
	}
	if home != nil {
		a.log.Info("deployer runs in a container of an Engine that it deploys to", "container", home.Container)
		if err := a.sameFolders(ctx, home); err != nil {
			return exitError{exitUsage, err}
		}
	}
	a.home[target] = home
	return nil
}

func (a *app) sameFolders(ctx context.Context, home *compose.Home) error {
	return errors.Join(
		sameFolder(ctx, home, "the data folder", a.started.Data,
			fmt.Sprintf("start the container with -v %[1]s:%[1]s", a.started.Data)+", or with another folder of the host that has the same path inside, and name it under data: in deployer.yaml"),
		sameFolder(ctx, home, "the folder for files that hold secrets", a.memory,
			memoryRemedy(a.memory)),
	)
}

// sameFolder makes sure that a folder has the same path in deployer's own
// container as on the host, and that other containers see its content.
func sameFolder(ctx context.Context, home *compose.Home, what, path, remedy string) error {
	switch host := home.HostPath(path); host {
	case path:
		if err := home.Probe(ctx, path); err != nil {
			return fmt.Errorf("%s: %w; %s", what, err, remedy)
		}
		return nil
	case "":
		return fmt.Errorf("%s %s is in this container alone, and no other can mount it; %s", what, path, remedy)
	default:
		return fmt.Errorf("%s is %s in this container and %s on the host: other containers would mount the wrong one; %s", what, path, host, remedy)
	}
}
