package pipeline

import (
	"context"
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
	if x.Project.HasContainerNames() {
		note("names", x.Step(ctx, "names", x.checkNames))
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

// judge compares the release with what is known: the live one, and those that
// were tried and failed.
func (x *Execution) judge(ctx context.Context) error {
	if x.Release == nil {
		x.Release = &state.Release{
			ID:    x.fingerprint(),
			Stack: x.Stack.Name, Commit: x.Run.Commit, Subject: x.Run.Subject, Run: x.Run.ID,
			Environment: x.environment(), Directory: x.Stack.Directory, Images: imageIDs(x.Project.Images),
			Digests: x.imageDigests(),
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
	services, err := x.planned(ctx, observed)
	if err != nil {
		return err
	}
	if x.isLive() && (&state.Changes{Services: services}).Empty() && AllUp(observed) {
		return nothingToDo{fmt.Sprintf("release %s already runs and was verified", state.ShortCommit(x.Release.ID))}
	}
	if holder, err := x.heldByOther(services, observed); err != nil {
		return err
	} else if holder != "" {
		return nothingToDo{fmt.Sprintf("release %s is still the one of this stack, and stack %s has the project; `deployer deploy %s` takes it over",
			state.ShortCommit(x.Release.ID), holder, x.Stack.Name)}
	}
	changes := x.changes(services)
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

// imageDigests are what images can be pulled by again, masked as all that is stored.
func (x *Execution) imageDigests() map[string]string {
	out := make(map[string]string, len(x.Project.Images))
	for service, image := range x.Project.Images {
		if image.Digest != "" {
			out[service] = x.Mask.Redact(image.Digest)
		}
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
