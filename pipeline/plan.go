package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/state"
)

// planned says what taking the target to the execution's project would do to
// each service, by the rules by which the target deploys.
func (x *Execution) planned(ctx context.Context, observed []project.Container) ([]state.ServiceChange, error) {
	services, err := x.Stack.Target.Plan(ctx, x.Project, observed)
	return slices.DeleteFunc(services, func(s state.ServiceChange) bool {
		_, wanted := x.Project.Compose.Services[s.Name]
		return s.Action == state.ActionRemove && !wanted && x.File.Deploy.Orphans == "keep"
	}), err
}

// changes adds the reasons, and the details, that come of comparing with the
// live release.
func (x *Execution) changes(services []state.ServiceChange) *state.Changes {
	changes := &state.Changes{Services: services}
	before := side{}
	if live := x.Known.Live; live != nil {
		if kept, err := x.open(live); err == nil {
			before = side{kept.Project, kept.rawFile(kept.Dir)}
			changes.Against = live.Commit
			explain(services, project.Compare(kept.Project, x.Project))
		}
	}
	x.detail(changes, before, side{x.Project, x.FileRaw})
	return changes
}

func explain(services []state.ServiceChange, difference project.Difference) {
	for i := range services {
		s := &services[i]
		if s.Action != state.ActionRecreate || strings.HasPrefix(s.Why, project.NotOurs) {
			continue
		}
		if why := difference.Why(s.Name); why != "" {
			s.Why = why
		}
	}
}

// Plan goes the way of a run as far as nothing is touched: it fetches,
// decrypts and resolves, and compares with what runs.
func (r *Runner) Plan(ctx context.Context, s *Stack, run *state.Run) (*state.Changes, error) {
	x := &Execution{Stack: s, Run: run, Log: io.Discard, Mask: r.parts.Mask(), runner: r, Known: &state.Stack{Name: s.Name},
		stage: &state.StageResult{}, show: func() {}}
	for _, work := range []func(context.Context, *Execution) error{fetch, decrypt} {
		if err := work(ctx, x); err != nil {
			return nil, x.masked(err)
		}
	}
	if err := r.store.View(func(tx *state.Tx) (err error) {
		x.Known, err = tx.Stack(s.Name)
		return err
	}); err != nil {
		return nil, err
	}
	p, err := project.Load(ctx, x.source())
	if err != nil {
		return nil, x.masked(err)
	}
	x.Project = p
	x.Mask.Add(p.Secrets()...)
	changes, err := x.foresee(ctx)
	if err != nil {
		return nil, x.masked(err)
	}
	return changes, nil
}

// foresee computes the plan of the project that was resolved: with the images
// that are there, against the containers that run, and with the checks that
// look at nothing outside. It touches nothing.
func (x *Execution) foresee(ctx context.Context) (*state.Changes, error) {
	begin := len(x.stage.Steps)
	if err := x.nameBuilds(); err != nil {
		return nil, err
	}
	absent, err := x.pinLocal(ctx)
	if err != nil {
		return nil, err
	}
	observed, err := x.Stack.Target.Containers(ctx, x.Stack.Project)
	if err != nil {
		return nil, err
	}
	services, err := x.planned(ctx, observed)
	if err != nil {
		return nil, err
	}
	changes := x.changes(services)
	for _, service := range absent {
		changes.Notes = append(changes.Notes, x.Mask.Redact(fmt.Sprintf("the image of %s is not on the Engine yet: the deploy has to pull it", service)))
	}
	x.foreseeVolumes(ctx, changes)
	if x.Known.Live != nil {
		_ = x.Step(ctx, "data", x.checkMovedData)
	}
	x.foreseeQuarantine(absent)
	_ = x.judgePolicy(ctx)
	if err := x.checkAdopted(changes); err != nil {
		_ = x.Step(ctx, "adopt", func(context.Context) (string, error) { return "", err })
	}
	x.checkStatic(ctx)
	changes.Checks = slices.Clone(x.stage.Steps[begin:])
	return changes, nil
}

// pinLocal pins the images that are on the Engine, and names the services
// whose image is not. Nothing is pulled.
func (x *Execution) pinLocal(ctx context.Context) (absent []string, err error) {
	images := map[string]project.Image{}
	for _, service := range x.Project.Services() {
		found, err := x.Stack.Target.Images(ctx, x.Project.Alone(service), "never", io.Discard)
		if errors.Is(err, project.ErrEngineUnreachable) {
			return nil, err
		}
		if image, ok := found[service]; ok && err == nil && image.ID != "" {
			images[service] = image
		} else {
			absent = append(absent, service)
		}
	}
	x.Project.PinImages(images)
	return absent, nil
}

// foreseeVolumes looks for what the Engine has in the way, and marks the volumes
// whose definition its own differs from.
func (x *Execution) foreseeVolumes(ctx context.Context, changes *state.Changes) {
	_ = x.Step(ctx, "volumes", x.checkVolumes)
	if x.Project.HasExternalNetworks() {
		_ = x.Step(ctx, "networks", x.checkNetworks)
	}
	if x.Project.HasContainerNames() {
		_ = x.Step(ctx, "names", x.checkNames)
	}
	for i := range changes.Volumes {
		if v := &changes.Volumes[i]; v.Kind == state.ChangeChanged && v.Why == "" {
			v.Why = "its definition differs: the deploy is refused while the old one is there, and data never moves by itself"
		}
	}
}

// foreseeQuarantine says where the deploy would be refused since the same
// release failed before. Without all images the release is not known.
func (x *Execution) foreseeQuarantine(absent []string) {
	if len(absent) > 0 {
		return
	}
	if q := x.Known.FindQuarantine(x.fingerprint()); q != nil {
		x.record("quarantine", check.Result{Status: state.StepFailed,
			Message: fmt.Sprintf("the same release was tried in run %s and failed: %s", q.Run, q.Why),
			Hint:    "change what made it fail; or release it from quarantine, where the cause lay outside"}, 0)
	}
}

// static are the checks that look at nothing but the commit itself.
var static = map[string]bool{
	"credentials": true, "encrypted": true, "env": true, "example": true, "placeholders": true, "traefik": true,
}

// checkStatic runs those checks of preflight that look at nothing outside, and
// says of the others that they run before a deploy.
func (x *Execution) checkStatic(ctx context.Context) {
	w := x.world()
	for _, spec := range x.preflightChecks() {
		title := spec.TitleIn(x.Env)
		if !static[spec.Check()] {
			x.record(title, check.Result{Status: state.StepSkipped, Message: "it looks outside: it runs before the deploy"}, 0)
			continue
		}
		started := x.runner.now()
		result := check.Run(ctx, spec.Once(), w)
		x.record(title, result, x.since(started))
	}
}

// failedSteps names the steps of a plan that a deploy would stop at.
func failedSteps(steps []state.Step) (names []string) {
	for _, s := range steps {
		if s.Status == state.StepFailed {
			names = append(names, s.Name)
		}
	}
	return names
}

// masked is err as it may be shown.
func (x *Execution) masked(err error) error {
	return WithHint(errors.New(x.Mask.Redact(strings.TrimSpace(err.Error()))), x.Mask.Redact(Hint(err)))
}
