package pipeline

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"deployer/gitsync"
	"deployer/pipeline/check"
	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// An Execution is a run while it runs. Each of its fields is filled by one
// stage and read by those after it; what is kept of it is the Run.
type Execution struct {
	Stack *Stack
	Run   *state.Run
	Known *state.Stack // what was kept of the stack when the run started
	Log   io.Writer    // redacted lines of the run's log
	Mask  *secrets.Redactor

	Snapshot *gitsync.Snapshot // by fetch; nil where the release comes from its recipe
	Tree     project.Tree      // by fetch: the snapshot, or the recipe
	File     *File             // by fetch
	FileRaw  []byte            // by fetch: pipeline.yaml as committed
	Env      *secrets.Env      // by decrypt; never nil after it
	Project  *project.Project  // by preflight, images pinned
	Release  *state.Release    // by preflight
	Outage   map[string]string // by preflight: checks of the live release that fail already → evidence
	Failing  []string          // by verify: keys of the checks that failed
	up       bool              // as the check containers said last
	Kept     bool              // by verify: the release is good

	keyless   string // on a desk: no key is tried, since this cannot be opened
	resumed   bool   // another process began to change the target
	impatient bool   // outages are not waited for any more
	guilty    bool   // the release is what failed, and is quarantined

	lost         error             // why the kept release that the run is for cannot be opened
	readByChecks map[string][]byte // see checkFiles

	base      *gitsync.Snapshot // by fetch of a review: the branch's tip
	restoring *restoring        // by preflight of a restore
	again     *KeptRelease      // where the run takes the stack to a release that was kept
	runner    *Runner
	stage     *state.StageResult
	journal   *journal
	show      func()       // stores the run, as it is now, within a moment
	closeLog  func() error // hands the journal the last of the log
}

// environment is the entry of pipeline.yaml that the run uses.
func (x *Execution) environment() string {
	if x.Run.Want.Environment != "" {
		return x.Run.Want.Environment
	}
	return x.Stack.Environment
}

// Logf writes one line to the run's log.
func (x *Execution) Logf(format string, args ...any) {
	fmt.Fprintf(x.Log, "%s "+format+"\n", append([]any{x.runner.now().UTC().Format(time.TimeOnly)}, args...)...)
}

// Step runs one action of the present stage and records it with its evidence:
// the returned message, or the error and its hint.
func (x *Execution) Step(ctx context.Context, name string, work func(context.Context) (string, error)) error {
	started := x.runner.now()
	message, err := work(ctx)
	result := check.Result{Status: state.StepPassed, Message: message}
	if err != nil {
		result = check.Result{Status: state.StepFailed, Message: err.Error(), Hint: Hint(err)}
	}
	x.record(name, result, x.since(started))
	return err
}

// record adds a finished step to the present stage, masked, and shows the run as it is now.
func (x *Execution) record(name string, r check.Result, took time.Duration) {
	step := state.Step{
		Name: x.Mask.Redact(name), Status: r.Status,
		Message: x.Mask.Redact(r.Message), Hint: x.Mask.Redact(r.Hint),
		DurationMS: took.Milliseconds(),
	}
	x.stage.Steps = append(x.stage.Steps, step)
	x.Logf("%s · %s: %s %s", x.stage.Name, step.Name, step.Status, step.Message)
	if step.Hint != "" && step.Status != state.StepPassed {
		x.Logf("%s · %s: what to do: %s", x.stage.Name, step.Name, step.Hint)
	}
	x.show()
}

func (x *Execution) since(started time.Time) time.Duration { return x.runner.now().Sub(started) }

// An answer is how a check ended, and how long it took.
type answer struct {
	check.Result
	took time.Duration
}

// ask runs checks side by side and returns their answers in order.
func (x *Execution) ask(ctx context.Context, specs []check.Spec, w *check.World) []answer {
	answers := make([]answer, len(specs))
	var group sync.WaitGroup
	for i, spec := range specs {
		group.Go(func() {
			started := x.runner.now()
			answers[i].Result = check.Run(ctx, spec, w)
			answers[i].took = x.since(started)
		})
	}
	group.Wait()
	return answers
}

// world is what checks may look at now.
func (x *Execution) world() *check.World {
	return &check.World{
		Example: x.example(), OpenEnv: x.Stack.Keys.Open, MakeRoom: x.makeRoom,
		Project: x.Project, Env: x.Env, Engine: x.Stack.Target,
		Dial: x.runner.parts.Dial, Client: x.runner.parts.Client, Resolve: x.runner.parts.Resolver,
		ReadFile: x.readFile, Tree: x.Tree, Dir: x.Stack.Directory, Now: x.runner.now, Log: x.Log,
		Since: x.changedSince(), Backups: lastBackups{x, x.Project}, Issuances: issuances{x.runner.store, x.runner.now},
	}
}

// changedSince is when the run began to change the target for the last time;
// zero where it has not.
func (x *Execution) changedSince() (since time.Time) {
	for _, name := range []state.StageName{state.StageDeploy, state.StageRollback} {
		if s := x.Run.Stage(name); s != nil && s.StartedAt != nil {
			since = *s.StartedAt
		}
	}
	return since
}

// example is the file that the env file is held to; empty for none.
func (x *Execution) example() string {
	if x.File == nil {
		return ""
	}
	return x.File.EnvExample
}

// source describes how the run's project is resolved. The values of every
// file that is opened for a service are masked from then on.
func (x *Execution) source() project.Source {
	return project.Source{
		Tree: x.Tree, Dir: x.Stack.Directory, Files: x.File.Compose, Profiles: x.File.Profiles, Name: x.Stack.Project,
		Env: x.Env, Roots: x.Stack.Roots, Digest: x.runner.parts.Vault.Digest,
		OpenEnv: func(name string, data []byte) (*secrets.Env, error) {
			env, err := x.Stack.Keys.Open(context.Background(), name, data)
			if err != nil {
				return nil, err
			}
			x.Mask.Add(env.Secrets()...)
			return env, nil
		},
		OpenFile: func(name string, data []byte) (*secrets.File, error) {
			file, err := x.Stack.Keys.OpenFile(context.Background(), name, data)
			if err != nil || file == nil {
				return nil, err
			}
			x.Mask.Add(file.Secrets()...)
			return file, nil
		},
	}
}
