package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"deployer/target/compose"
)

// homeLimit bounds what is asked at the start of the Engine that deployer
// itself may run on.
const homeLimit = 30 * time.Second

var ownMount = regexp.MustCompile(`/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) `)

// ownContainer is the id of the container that this process runs in, as its
// mounts say; empty where it runs in none of Docker's.
func ownContainer(mountinfo string) string {
	if m := ownMount.FindStringSubmatch(mountinfo); m != nil {
		return m[1]
	}
	return ""
}

// checkHome makes sure, where deployer runs in a container, that what it hands
// to other containers as paths of the host is there what it is here.
func (a *app) checkHome(ctx context.Context) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil // no Linux, and so no container of Docker's
	}
	id := ownContainer(string(mounts))
	if id == "" {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, homeLimit)
	defer done()
	for key, target := range a.targets {
		if !strings.HasPrefix(key, "unix://") {
			continue
		}
		home, err := target.Home(ctx, id)
		if err != nil {
			return err
		}
		if home == nil {
			continue
		}
		a.log.Info("deployer runs in a container of an Engine that it deploys to", "container", home.Container)
		if err := a.checkHomeOn(ctx, key, home); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) checkHomeOn(ctx context.Context, engine string, home *compose.Home) error {
	errs := []error{
		sameFolder(ctx, home, "the data folder", a.started.Data,
			fmt.Sprintf("start the container with -v %[1]s:%[1]s", a.started.Data)+", or with another folder of the host that has the same path inside, and name it under data: in deployer.yaml"),
		sameFolder(ctx, home, "the folder for files that hold secrets", a.memory,
			"start the container with -v /run/deployer:/run/deployer and -e RUNTIME_DIRECTORY=/run/deployer"),
	}
	for _, s := range a.inForce.Load().config.Stacks {
		if s.Enabled && home.Project != "" && s.Project == home.Project && strings.HasPrefix(engine, s.Target.Docker) {
			errs = append(errs, fmt.Errorf("stack %s has the compose project %s, in which deployer itself runs: it would stop itself; start deployer as a project of its own", s.Name, s.Project))
		}
	}
	return errors.Join(errs...)
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
