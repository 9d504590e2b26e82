package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// A Folder is a stack on somebody's machine, before it is pushed.
type Folder struct {
	Tree        project.Tree
	Directory   string // of the stack in Tree, "." for its root
	Project     string // compose project
	Environment string // empty: the top level of pipeline.yaml
	Keys        secrets.Keyring
	Policy      Policy // nil: none is asked
	Advisory    bool   // what Policy refuses is only warned of: the server's is not known
	New         bool   // PlanFolder: there is nothing to compare with

	noKeys string // as if there were none, since this cannot be opened
}

// onServer are checks that only say something on the server that deploys: of
// its ports, disks, containers and records.
var onServer = map[string]bool{
	"acme_budget": true, "acme_rehearsal": true, "backup": true, "disk": true,
	"engine": true, "images": true, "ports": true,
}

// elsewhere are checks that can be asked from any machine, but whose failure
// here is no proof that they fail on the server.
var elsewhere = map[string]bool{"dns": true}

// CheckFolder runs what of a push can be looked at without the server: it
// reads pipeline.yaml, opens the env file with the keys at hand, resolves the
// compose files, and runs the checks before that need no Engine. What it does
// not run is skipped, with the reason. The error is about pipeline.yaml
// itself; messages are masked. It changes nothing.
func CheckFolder(ctx context.Context, f Folder) ([]state.Step, error) {
	x, err := onDesk(f)
	if err != nil {
		return nil, err
	}
	if err := x.Step(ctx, FileName, x.readPipeline); err != nil {
		return x.stage.Steps, err
	}
	x.checkFolder(ctx, f)
	return x.stage.Steps, ctx.Err()
}

// onDesk is the execution of a folder: it has no server, store or Engine.
func onDesk(f Folder) (*Execution, error) {
	vault, err := secrets.NewVault()
	if err != nil {
		return nil, err
	}
	return &Execution{
		Stack: &Stack{Name: f.Project, Project: f.Project, Directory: f.Directory, Environment: f.Environment, Keys: f.Keys, Policy: f.Policy,
			Roots: NewRoots("/var/lib/deployer", "/run/deployer", f.Project)},
		Run: &state.Run{}, Known: &state.Stack{}, Log: io.Discard, Mask: secrets.NewRedactor(), Tree: f.Tree,
		runner: &Runner{parts: Parts{Vault: vault, Now: time.Now, Dial: (&net.Dialer{}).DialContext, Client: &http.Client{}, Resolver: net.DefaultResolver}},
		stage:  &state.StageResult{}, show: func() {}, keyless: f.noKeys,
	}, nil
}

func (x *Execution) checkFolder(ctx context.Context, f Folder) {
	for _, work := range []func(context.Context) error{func(ctx context.Context) error { return decrypt(ctx, x) }, x.resolveFiles} {
		if err := work(ctx); err != nil {
			if noKey := (*secrets.Error)(nil); errors.As(err, &noKey) && noKey.NoKey {
				x.withoutKey(noKey)
			}
			return
		}
	}
	x.judgeOnDesk(ctx, f.Advisory)
	x.checkBuilds(ctx)
	specs := x.preflightChecks()
	asked := make([]check.Spec, 0, len(specs))
	for _, spec := range specs {
		if !onServer[spec.Check()] {
			asked = append(asked, spec.Once())
		}
	}
	answers := x.ask(ctx, asked, x.world())
	for _, spec := range specs {
		if onServer[spec.Check()] {
			x.record(spec.TitleIn(x.Env), notHere(), 0)
			continue
		}
		a := answers[0]
		answers = answers[1:]
		if elsewhere[spec.Check()] && a.Status == state.StepFailed {
			a.Status, a.Message = state.StepWarned, "seen from this machine: "+a.Message
		}
		x.record(spec.TitleIn(x.Env), a.Result, a.took)
	}
	x.checkVerifySpecs()
}

// judgeOnDesk holds the project to what the server will: what no server runs,
// and the policy. Its steps say all.
func (x *Execution) judgeOnDesk(ctx context.Context, advisory bool) {
	_ = x.refuseUnsupported(x.Project)
	begin := len(x.stage.Steps)
	_ = x.judgePolicy(ctx)
	if !advisory {
		return
	}
	judged := x.stage.Steps[begin:]
	x.stage.Steps = x.stage.Steps[:begin]
	for _, s := range judged {
		if s.Status == state.StepFailed {
			s.Status, s.Message = state.StepWarned, "refused unless the server's policy allows it: "+s.Message
			x.stage.Steps = append(x.stage.Steps, s)
		}
	}
}

func notHere() check.Result {
	return check.Result{Status: state.StepSkipped, Message: "it looks at the server: it runs there, before a deploy"}
}

// withoutKey says what the missing key keeps from being looked at.
func (x *Execution) withoutKey(err *secrets.Error) {
	last := &x.stage.Steps[len(x.stage.Steps)-1]
	inEnv := x.Env == nil
	last.Status, last.Message = state.StepSkipped, x.Mask.Redact(err.Problem)
	last.Hint = "give the private key with --age-key, where you have it; the server has its own"
	if !inEnv {
		last.Message = x.Mask.Redact(err.Path + ": " + err.Problem)
	}
	why := check.Result{Status: state.StepSkipped, Message: "it needs " + x.sealedName(err) + ", which no key at hand decrypts"}
	if inEnv {
		x.record("compose", why, 0)
	}
	if x.Stack.Policy != nil {
		x.record("policy", why, 0)
	}
	for _, spec := range x.preflightChecks() {
		if onServer[spec.Check()] {
			x.record(spec.Title(), notHere(), 0)
		} else {
			x.record(spec.Title(), why, 0)
		}
	}
	x.record("verify", why, 0)
}

// sealedName is what an error about a missing key is about, for people.
func (x *Execution) sealedName(err *secrets.Error) string {
	if x.Env == nil {
		return "the env file"
	}
	return err.Path
}

// checkVerifySpecs fills the variables into the checks after, which run once
// there is something to look at.
func (x *Execution) checkVerifySpecs() {
	var errs []error
	for _, spec := range x.File.Verify {
		if _, err := spec.Build(x.Env); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", spec.TitleIn(x.Env), err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		x.record("verify", check.Result{Status: state.StepFailed, Message: err.Error(),
			Hint: "correct these checks in " + FileName + ", or the variables that they use"}, 0)
		return
	}
	x.record("verify", check.Result{Status: state.StepSkipped,
		Message: counted(len(check.WithDefaults(x.File.Verify, "containers")), "check") + " written right, for after a deploy"}, 0)
}
