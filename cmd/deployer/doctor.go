package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"deployer/config"
	"deployer/state"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look for what is missing on this server", GroupID: groupHere, Args: cobra.NoArgs,
		Long: `Looks for what is missing on this server: the configuration, data folder, keys, Engines,
registries and repositories with their credentials, tokens of forges, ports, disk and clock. Run it as the user that the
service runs as. It changes nothing, whether the server runs or not.`,
	}
	path := cmd.Flags().StringP("config", "c", "/etc/deployer/deployer.yaml", "configuration file")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load(*path)
		if err != nil {
			return exitError{exitUsage, err}
		}
		d := &doctor{config: c, now: time.Now}
		d.examine(cmd.Context(), *path)
		return stepReport{Config: *path, Steps: d.steps}.show(cmd, *asJSON)
	}
	return cmd
}

// A doctor gathers what is missing on a server.
type doctor struct {
	config *config.Config
	now    func() time.Time
	steps  []state.Step
}

// A finding is what one look has seen.
type finding struct {
	status  state.StepStatus
	message string
	hint    string
}

func fine(format string, args ...any) finding {
	return finding{status: state.StepPassed, message: fmt.Sprintf(format, args...)}
}

func missing(hint, format string, args ...any) finding {
	return finding{state.StepFailed, fmt.Sprintf(format, args...), hint}
}

func doubtful(hint, format string, args ...any) finding {
	return finding{state.StepWarned, fmt.Sprintf(format, args...), hint}
}

// lookLimit bounds each look at something that may be far away.
const lookLimit = 15 * time.Second

func (d *doctor) look(ctx context.Context, name string, look func(context.Context) finding) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	started := time.Now()
	f := look(ctx)
	d.steps = append(d.steps, state.Step{
		Name: name, Status: f.status, Message: f.message, Hint: f.hint, DurationMS: time.Since(started).Milliseconds(),
	})
}

func (d *doctor) examine(ctx context.Context, path string) {
	d.look(ctx, "configuration", func(context.Context) finding { return d.configuration(path) })
	d.look(ctx, "data folder", func(context.Context) finding { return dataFolder(d.config.Data) })
	d.look(ctx, "disk", func(context.Context) finding { return disk(d.config.Data) })
	d.look(ctx, "memory", func(context.Context) finding { return memory() })
	for _, file := range d.config.Secrets.AgeKeyFiles {
		d.look(ctx, "key "+string(file), func(context.Context) finding { return ageKeyFile(string(file)) })
	}
	if len(d.config.Secrets.AgeKeyFiles) == 0 {
		d.look(ctx, "keys", func(context.Context) finding {
			return doubtful("name the private key under secrets.age_key_files", "no age key file is configured: only what SOPS finds by itself can be decrypted")
		})
	}
	d.look(ctx, "listen "+d.config.Listen, func(ctx context.Context) finding { return listenable(ctx, d.config) })
	for _, port := range []string{"80", "443"} {
		d.look(ctx, "port "+port, func(context.Context) finding { return d.webPort(port) })
	}
	d.engines(ctx)
	d.registries(ctx)
	d.repositories(ctx)
	d.forges(ctx)
	d.look(ctx, "clock", d.clock)
}

func (d *doctor) configuration(path string) finding {
	if n := len(d.config.Warnings); n > 0 {
		return doubtful("correct what it names", "%s", d.config.Warnings.Error())
	}
	if len(d.config.Stacks) == 0 {
		return doubtful("add stacks: to it", "%s is right, and names no stack", path)
	}
	return fine("%s is right: %d stacks, %d repositories, %d tokens", path, len(d.config.Stacks), len(d.config.Repositories), len(d.config.Tokens))
}

// dataFolder looks whether the folder can be used, or made where it is not there.
func dataFolder(dir string) finding {
	info, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err):
		parent, missingErr := nearestFolder(dir)
		if missingErr != nil || !writable(parent) {
			return missing("mkdir -m 700 "+dir+", owned by the user that runs deployer", "%s is not there, and cannot be made by this user", dir)
		}
		return fine("%s is not there yet; the first start makes it", dir)
	case err != nil:
		return missing("let the user that runs deployer into it", "%v", err)
	case !info.IsDir():
		return missing("move the file away", "%s is no folder", dir)
	case !writable(dir):
		return missing("chown it to the user that runs deployer", "%s cannot be written by this user", dir)
	case info.Mode().Perm()&0o077 != 0:
		return missing("chmod 700 "+dir, "%s is open to others (mode %04o): it holds the key that seals every kept env file", dir, info.Mode().Perm())
	}
	return fine("%s, mode %04o", dir, info.Mode().Perm())
}
