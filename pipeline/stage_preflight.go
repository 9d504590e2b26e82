package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/state"
)

// preflight says before anything changes what would go wrong. It runs every
// check even where one failed, so that a person sees all that is missing.
func preflight(ctx context.Context, x *Execution) error {
	if x.again == nil {
		if err := x.resolve(ctx, x.File.Deploy.Pull); err != nil {
			return err
		}
	}
	if err := x.judge(ctx); err != nil {
		return err
	}
	// What is looked at outside is looked at all at once, beside the rest; none
	// of it goes on when preflight has ended.
	var aside sync.WaitGroup
	defer aside.Wait()
	looking, done := context.WithCancel(ctx)
	defer done()
	specs, alone := apart(x.preflightChecks())
	checks, live := make(chan []answer, 1), make(chan standing, 1)
	aside.Go(func() { checks <- x.ask(looking, specs, x.world()) })
	aside.Go(func() { live <- x.lookAtLive(looking) })

	var failed []string
	note := func(name string, err error) {
		if err != nil {
			failed = append(failed, name)
		}
	}
	note("volumes", x.Step(ctx, "volumes", x.checkVolumes))
	if x.Project.HasExternalNetworks() {
		note("networks", x.Step(ctx, "networks", x.checkNetworks))
	}
	note("files", x.Step(ctx, "files", x.checkWrittenFiles))
	note("data", x.Step(ctx, "data", x.checkMovedData))
	if x.Known.Live == nil {
		note("project", x.Step(ctx, "project", x.checkHolder))
	}
	if x.File.Backup != nil {
		note("backup", x.Step(ctx, "backup", x.checkBackup))
	}
	if x.again != nil {
		note("images", x.Step(ctx, "images", x.checkKeptImages))
	}
	note("way back", x.Step(ctx, "way back", x.checkWayBack))
	for i, a := range <-checks {
		title := specs[i].TitleIn(x.Env)
		x.record(title, a.Result, a.took)
		if a.Status == state.StepFailed {
			failed = append(failed, title)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(failed) > 0 {
		x.leaveOut(alone)
		return x.preflightFailed(failed)
	}
	outage := <-live
	if failed := x.askAlone(ctx, alone); len(failed) > 0 {
		return x.preflightFailed(failed)
	}
	x.noteLive(outage)
	return ctx.Err()
}

// preflightFailed says what the first failed step found, since a message or a
// commit's status shows no more than this, and names the others.
func (x *Execution) preflightFailed(names []string) error {
	found, hint := x.lastFailure(), "each failed step says what to do; then push again"
	if others := names[1:]; len(others) > 0 {
		found += "; " + strings.Join(others, ", ") + " failed too"
	} else if own := x.stage.Steps[slices.IndexFunc(x.stage.Steps, failedStep)].Hint; own != "" {
		hint = own
	}
	return WithHint(fmt.Errorf("%s; nothing was changed", found), hint)
}

func failedStep(s state.Step) bool { return s.Status == state.StepFailed }

// preflightChecks are the built-in checks and the stack's own. A release that
// is run again was checked when it was new: only the Engine is looked at.
func (x *Execution) preflightChecks() []check.Spec {
	if x.again != nil {
		return []check.Spec{check.Default("engine")}
	}
	always := []string{"env", "placeholders", "engine"}
	if x.example() != "" {
		always = append(always, "example")
	}
	return check.WithDefaults(x.File.Preflight, always...)
}

// resolve makes the project of the release and pins its images, pulling what
// is missing while the old containers still run.
func (x *Execution) resolve(ctx context.Context, pull string) error {
	if err := x.resolveFiles(ctx); err != nil {
		return err
	}
	if err := x.judgePolicy(ctx); err != nil {
		return err
	}
	if err := x.buildImages(ctx); err != nil {
		return err
	}
	return x.Step(ctx, "images", func(ctx context.Context) (string, error) { return x.pinImages(ctx, pull) })
}

// resolveFiles makes the project of the compose files and the env.
func (x *Execution) resolveFiles(ctx context.Context) error {
	err := x.Step(ctx, "compose", func(ctx context.Context) (string, error) {
		p, err := project.Load(ctx, x.source())
		if err != nil {
			return "", hintElse(err, "correct the file and push again")
		}
		x.Project = p
		x.Mask.Add(p.Secrets()...)
		if err := p.CheckContent(x.Tree); err != nil {
			return "", hintElse(err, "commit the files themselves: `git lfs migrate export` takes them out of LFS")
		}
		return fmt.Sprintf("%d services, %d mounts", len(p.Compose.Services), len(p.Mounts)), nil
	})
	if err != nil {
		return err
	}
	x.showSubmodules()
	for _, warning := range x.Project.Warnings {
		x.record("compose", check.Result{Status: state.StepWarned, Message: warning}, 0)
	}
	return nil
}

func (x *Execution) pinImages(ctx context.Context, pull string) (string, error) {
	images, err := x.Stack.Target.Images(ctx, x.Project, pull, x.Log)
	if err != nil {
		return "", err
	}
	x.Project.PinImages(images)
	pulled := 0
	for _, image := range images {
		if image.Pulled {
			pulled++
		}
	}
	return fmt.Sprintf("%d on the Engine, %d of them pulled now", len(images), pulled), nil
}

// judge compares the release with what is known: the live one, and those that
// were tried and failed.
func (x *Execution) judge(ctx context.Context) error {
	if x.Release == nil {
		x.Release = &state.Release{
			ID:    x.fingerprint(),
			Stack: x.Stack.Name, Commit: x.Run.Commit, Subject: x.Run.Subject, Run: x.Run.ID,
			Environment: x.environment(), Directory: x.Stack.Directory, Images: imageIDs(x.Project.Images),
		}
	}
	x.Run.Release = x.Release.ID
	if q := x.Known.FindQuarantine(x.Release.ID); q != nil && x.again == nil && !x.Run.Want.Forced("quarantine") {
		return WithHint(fmt.Errorf("this release is quarantined: it was tried in run %s and failed: %s", q.Run, q.Why),
			"push a commit that changes the stack, or deploy with --force quarantine")
	}
	observed, err := x.Stack.Target.Containers(ctx, x.Stack.Project)
	if err != nil {
		return err
	}
	changes, err := x.changes(ctx, observed)
	if err != nil {
		return err
	}
	if x.isLive() && changes.Empty() && AllUp(observed) {
		return nothingToDo{fmt.Sprintf("release %s already runs and was verified", short(x.Release.ID))}
	}
	x.Run.Changes = changes
	if err := x.checkAdopted(changes); err != nil {
		return x.Step(ctx, "adopt", func(context.Context) (string, error) { return "", err })
	}
	return nil
}

func imageIDs(images map[string]project.Image) map[string]string {
	out := make(map[string]string, len(images))
	for service, image := range images {
		out[service] = image.ID
	}
	return out
}

// isLive reports whether the release is the one that runs and was verified.
func (x *Execution) isLive() bool {
	live, good := x.Known.Live, x.Known.LastGood
	return live != nil && good != nil && live.ID == x.Release.ID && good.ID == x.Release.ID &&
		x.Run.Phase == state.PhasePreparing
}

// AllUp reports whether every container does what it should.
func AllUp(containers []project.Container) bool {
	return !slices.ContainsFunc(containers, func(c project.Container) bool { return !c.LivesOn() })
}

func (x *Execution) checkVolumes(ctx context.Context) (string, error) {
	problems, err := x.Stack.Target.VolumeProblems(ctx, x.Project)
	if err != nil {
		return "", err
	}
	if len(problems) > 0 {
		return "", WithHint(errors.New(strings.Join(problems, "; ")),
			"deployer makes no external volume and never removes one: make it, give the new definition a new volume name, or move the data by hand")
	}
	return "no volume definition changed", nil
}

func (x *Execution) checkNetworks(ctx context.Context) (string, error) {
	problems, err := x.Stack.Target.NetworkProblems(ctx, x.Project)
	if err != nil {
		return "", err
	}
	if len(problems) > 0 {
		return "", WithHint(errors.New(strings.Join(problems, "; ")), "deployer makes no external network: make it, or leave `external` out")
	}
	return "the external ones are there", nil
}

// checkWrittenFiles refuses a deploy that would silently replace files that a
// container has written into its copy of tracked content.
func (x *Execution) checkWrittenFiles(context.Context) (string, error) {
	if x.Known.Live == nil {
		return "none mounted by a release before", nil
	}
	old, err := x.runner.resolveKept(x.Stack, x.Known.Live)
	if err != nil {
		return "", fmt.Errorf("resolve the live release: %w", err)
	}
	var leaving []project.Mount
	for _, m := range old.Mounts {
		stays := slices.ContainsFunc(x.Project.Mounts, func(n project.Mount) bool { return n.Host == m.Host })
		if m.Kind == project.MountCopy && !stays {
			leaving = append(leaving, m)
		}
	}
	written, err := project.WrittenCopies(leaving)
	if err != nil {
		return "", err
	}
	if len(written) == 0 {
		return "no container has written into tracked files", nil
	}
	var names []string
	for _, m := range written {
		names = append(names, m.Service+": "+m.Path)
	}
	return "", WithHint(fmt.Errorf("a container has written into tracked files that this push replaces: %s", strings.Join(names, ", ")),
		"mount them read-only (:ro), or keep what is written with x-deployer: {files: keep} on the service")
}

// checkKeptImages makes sure that a release that is run again still can be.
func (x *Execution) checkKeptImages(ctx context.Context) (string, error) {
	missing, err := x.Stack.Target.MissingImages(ctx, x.Release.ImageIDs())
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", WithHint(fmt.Errorf("images of the release are no longer on the Engine: %s", strings.Join(missing, ", ")),
			"load them again (docker load, or docker pull by digest), or choose another release")
	}
	return fmt.Sprintf("%d on the Engine, exactly those that the release ran with", len(x.Release.Images)), nil
}

// checkWayBack makes sure, before the first container stops, that the last
// good release can run again from what is local.
func (x *Execution) checkWayBack(ctx context.Context) (string, error) {
	good := x.Known.LastGood
	switch {
	case !x.File.Rollback.Automatic:
		return "automatic rollback is off for this release", nil
	case good == nil:
		return "this is the first release: there is none to go back to", nil
	}
	missing, err := x.Stack.Target.MissingImages(ctx, good.ImageIDs())
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return "", WithHint(fmt.Errorf("release %s could not be run again: its images are no longer on the Engine: %s", short(good.Commit), strings.Join(missing, ", ")),
			"load or pull them again, or push once with rollback: {automatic: false}")
	}
	if _, err := x.runner.resolveKept(x.Stack, good); err != nil {
		return "", WithHint(fmt.Errorf("release %s could not be run again: %w", short(good.Commit), err),
			"push once with rollback: {automatic: false}")
	}
	return fmt.Sprintf("release of %s is complete and local", short(good.Commit)), nil
}
