package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"deployer/secrets"
	"deployer/state"
)

// Parts are what runs work with, besides their stack.
type Parts struct {
	Vault     *secrets.Vault
	Mask      func() *secrets.Redactor // a new redactor that knows the server's own secrets
	LogLimit  func() int64             // bytes of the log of a run that begins now
	Retention func() state.Retention
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	Client    *http.Client
	Resolver  *net.Resolver
	Now       func() time.Time
	Log       *slog.Logger
	Version   string // of deployer, in manifests of backups
}

// A Runner takes one run through its stages. It owns time, log, journal,
// deadline and persistence; a stage only does its work.
type Runner struct {
	store *state.Store
	parts Parts
	holds sync.Mutex // one lets containers go on at a time
}

// NewRunner makes a runner over the store.
func NewRunner(store *state.Store, parts Parts) *Runner { return &Runner{store: store, parts: parts} }

func (r *Runner) now() time.Time { return r.parts.Now() }

// Retention is how long what is over is kept.
func (r *Runner) Retention() state.Retention { return r.parts.Retention() }

// Now is the present time, by the runner's clock.
func (r *Runner) Now() time.Time { return r.now() }

// stage is one part of a run.
type stage struct {
	name  state.StageName
	work  func(context.Context, *Execution) error
	limit func(*Execution) time.Duration
}

func within(d time.Duration) func(*Execution) time.Duration {
	return func(*Execution) time.Duration { return d }
}

const (
	preflightLimit = 15 * time.Minute
	verifyLimit    = 15 * time.Minute
)

// forward is the way of a run; back is what follows where it fails.
var (
	forward = []stage{
		{state.StageFetch, fetch, within(2 * time.Minute)},
		{state.StageDecrypt, decrypt, within(time.Minute)},
		{state.StagePreflight, preflight, within(preflightLimit)},
		{state.StageApproval, approve, within(time.Minute)},
		{state.StageDeploy, deploy, deployLimit},
		{state.StageVerify, verify, within(verifyLimit)},
	}
	back = stage{state.StageRollback, rollback, within(15 * time.Minute)}
)

// stagesOf returns the way of a stack's runs of a kind: a person is only part
// of it where the stack asks for one.
func stagesOf(s *Stack, kind state.RunKind) []stage {
	switch {
	case kind == state.KindBackup:
		return backupWay
	case kind == state.KindRestore:
		return restoreWay
	case kind == state.KindReview:
		return reviewWay
	case kind == state.KindAdopt:
		return adoptWay
	case kind == state.KindRestart:
		return restartWay
	case kind == state.KindRemove:
		return removeWay
	case s.Approval:
		return forward
	}
	return slices.DeleteFunc(slices.Clone(forward), func(st stage) bool { return st.name == state.StageApproval })
}

func deployLimit(x *Execution) time.Duration { return time.Duration(x.File.Deploy.Timeout) }

// Execute takes a run to its end. When cancel ends, a run that changed
// nothing stops and one that did goes back. When stop ends, the run is left
// for the next start, with its journal on disk, and ErrStopping is returned.
// cancel must be derived from stop.
func (r *Runner) Execute(stop, cancel context.Context, s *Stack, run *state.Run) error {
	x, err := r.begin(s, run)
	defer func() { x.restoring.close() }()
	end := ending{err: err}
	if err == nil {
		end = r.travel(stop, cancel, x)
	}
	if w := (waiting{}); errors.As(end.err, &w) {
		run.Status, run.WaitingFor = state.RunWaiting, w.what
		x.Logf("waiting for %s of release %s", w.what, state.ShortCommit(run.Release))
		return x.end(stop, func(tx *state.Tx) error { return errors.Join(ShowHead(tx, run), tx.AddNotice(run, r.now().UTC())) })
	}
	if endedBy(stop, ErrStopping) && !end.final() {
		run.Status = state.RunQueued
		x.Logf("deployer is stopping; the next start goes on from here")
		return errors.Join(ErrStopping, x.end(stop, nil))
	}
	return r.settle(stop, x, end)
}

// begin makes the execution of a run, also of one that was cut off.
func (r *Runner) begin(s *Stack, run *state.Run) (*Execution, error) {
	mask := r.parts.Mask()
	journal, err := openJournal(r.store, run.ID, r.parts.LogLimit())
	masked := mask.Writer(journal)
	x := &Execution{
		Stack: s, Run: run, Known: &state.Stack{Name: s.Name},
		Log: masked, Mask: mask, runner: r, resumed: run.Phase != state.PhasePreparing,
		journal: journal, show: func() { journal.Show(run) }, closeLog: masked.Close,
	}
	if err != nil {
		return x, fmt.Errorf("read the log of the run: %w", err)
	}
	err = r.store.View(func(tx *state.Tx) (err error) {
		x.Known, err = tx.Stack(s.Name)
		return err
	})
	if err != nil {
		return x, err
	}
	if !x.goesBack() { // one that does keeps the evidence of why
		run.Stages = make([]state.StageResult, 0, len(forward)+1)
		for _, st := range stagesOf(s, run.Kind) {
			run.Stages = append(run.Stages, state.StageResult{Name: st.name, Status: state.StagePending, Steps: []state.Step{}})
		}
	}
	if run.Previous == "" && x.Known.Live != nil {
		run.Previous = x.Known.Live.Commit
	}
	x.Logf("run %s: %s %s, triggered by %s", run.ID, run.Kind, s.Name, strings.TrimSpace(string(run.Trigger.Kind)+" "+run.Trigger.Actor))
	if run.Replaces == nil && run.Kind != state.KindReview { // else the volume is not whole, and nothing may use it
		if err := r.LetGo(s, nil); err != nil {
			return x, err
		}
	}
	x.lost = x.takeUp()
	return x, nil
}

// takeUp opens the kept release that the run is for: of a rollback, and of a
// run that had begun to change the target when it was cut off.
func (x *Execution) takeUp() error {
	if x.Run.Kind == state.KindReview || x.Run.Kind == state.KindRemove {
		return nil // of a removal also where the release cannot be opened any more
	}
	if !x.Run.Kind.OfRelease() {
		return x.takeUpLive()
	}
	id := x.Run.Want.Release
	if x.Run.Phase != state.PhasePreparing {
		id = x.Run.Release
	}
	if id == "" || x.goesBack() {
		return nil
	}
	var release *state.Release
	err := x.runner.store.View(func(tx *state.Tx) (err error) {
		release, err = tx.Release(x.Stack.Name, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("release %s: %w", state.ShortCommit(id), err)
	}
	kept, err := x.open(release)
	if err != nil {
		return err
	}
	x.again, x.Release, x.Stack = kept, release, x.Stack.in(kept.Dir)
	x.Tree, x.File, x.Env, x.Project = kept.Recipe, kept.File, kept.Env, kept.Project
	x.Run.Commit, x.Run.Subject, x.Run.Environment = release.Commit, release.Subject, release.Environment
	return nil
}

// goesBack reports whether a run that was cut off goes back instead of on.
func (x *Execution) goesBack() bool {
	if !x.Run.Kind.OfRelease() {
		return false
	}
	return x.Run.Phase == state.PhaseRollingBack ||
		(x.Run.Phase == state.PhaseChanging && x.Run.Interruptions > 1)
}

// travel goes through the stages, and back where one fails after the target
// was changed.
func (r *Runner) travel(stop, cancel context.Context, x *Execution) ending {
	end := ending{}
	if x.lost != nil {
		end.err = x.lost
	} else if x.goesBack() {
		end.err = WithHint(errors.New(x.Run.Error), x.Run.Hint)
		if x.Run.Error == "" {
			end.err = fmt.Errorf("deployer was cut off %d times while it deployed this commit", x.Run.Interruptions)
			end.crashed = true
		}
	} else {
		end.err = r.goForward(cancel, x)
	}
	if end.err == nil || x.Run.Phase == state.PhasePreparing || endedBy(stop, ErrStopping) {
		return end
	}
	if !x.Run.Kind.OfRelease() {
		if x.Run.Replaces != nil && !x.Run.Replaces.Done {
			end.rollback = r.runStage(stop, x, undoRestore)
		}
		return end
	}
	release, why := x.wayBack()
	if release == nil {
		end.stuck = why
		return end
	}
	end.back = release
	x.impatient = isOutage(end.err) // it was waited for already
	r.beginRollback(x, end)
	end.rollback = r.runStage(stop, x, back)
	return end
}

func (r *Runner) goForward(ctx context.Context, x *Execution) error {
	for _, st := range stagesOf(x.Stack, x.Run.Kind) {
		if st.name == state.StageDeploy && x.wantsBackup() {
			if err := r.runStage(ctx, x, backupFirst); err != nil {
				return err
			}
		}
		if err := r.runStage(ctx, x, st); err != nil {
			return err
		}
	}
	return nil
}
