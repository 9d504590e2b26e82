package state

import (
	"slices"
	"time"
)

// RunKind says what a run does.
type RunKind string

const (
	KindDeploy   RunKind = "deploy"
	KindRollback RunKind = "rollback"
	KindMonitor  RunKind = "monitor" // what its checks say has changed
	KindReview   RunKind = "review"  // a plan for a pull request; changes nothing
	KindBackup   RunKind = "backup"
	KindRestore  RunKind = "restore"
	KindAdopt    RunKind = "adopt" // makes what runs already the first good release
	KindRestart  RunKind = "restart"
	KindRemove   RunKind = "remove" // takes containers and networks, never volumes
)

// OfRelease reports whether such a run takes the stack to a release; the
// others leave the live one as it is.
func (k RunKind) OfRelease() bool {
	return !slices.Contains([]RunKind{KindBackup, KindRestore, KindReview, KindRestart, KindRemove}, k)
}

// TriggerKind says what started a run.
type TriggerKind string

const (
	TriggerWebhook  TriggerKind = "webhook"
	TriggerPoll     TriggerKind = "poll"
	TriggerAPI      TriggerKind = "api"
	TriggerCLI      TriggerKind = "cli"
	TriggerSchedule TriggerKind = "schedule"
	TriggerRecovery TriggerKind = "recovery"
	TriggerEngine   TriggerKind = "engine" // it says that something has happened to a container
)

// ByPerson reports whether a person asked for the run.
func (k TriggerKind) ByPerson() bool { return k == TriggerAPI || k == TriggerCLI }

// A Trigger is why a run exists.
type Trigger struct {
	Kind     TriggerKind `json:"kind"`
	Actor    string      `json:"actor,omitempty"`
	Delivery string      `json:"delivery,omitempty"`
	Reason   string      `json:"reason,omitempty"`
}

// RunStatus is where a run stands.
type RunStatus string

const (
	RunQueued         RunStatus = "queued"
	RunWaiting        RunStatus = "waiting"
	RunRunning        RunStatus = "running"
	RunSucceeded      RunStatus = "succeeded"
	RunFailed         RunStatus = "failed"
	RunRolledBack     RunStatus = "rolled_back"
	RunRollbackFailed RunStatus = "rollback_failed"
	RunSuperseded     RunStatus = "superseded"
	RunCanceled       RunStatus = "canceled"
	RunUnchanged      RunStatus = "unchanged"
)

// transitions is the whole life of a run: from where to where.
var transitions = map[RunStatus][]RunStatus{
	RunQueued:  {RunWaiting, RunRunning, RunSuperseded, RunCanceled, RunFailed},
	RunWaiting: {RunQueued, RunRunning, RunSuperseded, RunCanceled, RunFailed},
	RunRunning: {RunQueued, RunWaiting, RunSucceeded, RunFailed, RunRolledBack, RunRollbackFailed,
		RunSuperseded, RunCanceled, RunUnchanged},
}

// Terminal reports whether a run with this status is over.
func (s RunStatus) Terminal() bool { return s != "" && len(transitions[s]) == 0 }

// CanBecome reports whether a run may go from s to next.
func (s RunStatus) CanBecome(next RunStatus) bool { return slices.Contains(transitions[s], next) }

// Phase is the journal of a run: what it may have done to the target. It is
// on disk before the first change that it announces.
type Phase string

const (
	PhasePreparing   Phase = ""             // nothing was changed
	PhaseChanging    Phase = "changing"     // the deploy stage has begun to change the target
	PhaseRollingBack Phase = "rolling_back" // the way back has begun
)

// A Run is one attempt to take a stack to a release. It is kept and shown as it is.
type Run struct {
	ID          string    `json:"id"`
	Stack       string    `json:"stack"`
	Kind        RunKind   `json:"kind"`
	Trigger     Trigger   `json:"trigger"`
	Commit      string    `json:"commit,omitempty"`  // empty until the fetch resolves the branch's tip
	Subject     string    `json:"subject,omitempty"` // first line of the commit's message
	Author      string    `json:"author,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Previous    string    `json:"previous,omitempty"` // commit that was live before
	Release     string    `json:"release,omitempty"`  // fingerprint, once the project is resolved
	Status      RunStatus `json:"status"`

	CreatedAt  time.Time  `json:"created_at"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`

	Error        string `json:"error,omitempty"`
	Hint         string `json:"hint,omitempty"`
	SupersededBy string `json:"superseded_by,omitempty"`
	RolledBackTo string `json:"rolled_back_to,omitempty"` // commit of the release that runs again
	ApprovedBy   string `json:"approved_by,omitempty"`
	Approved     string `json:"approved_release,omitempty"` // the one release that the approval is for

	Stages  []StageResult `json:"stages"`
	Changes *Changes      `json:"changes,omitempty"`

	// Replaces is the volume that a restore has begun to replace.
	Replaces *Replacement `json:"replaces,omitempty"`

	// What was asked for, as far as it differs from "deploy the tip".
	Want RunTarget `json:"want,omitzero"`

	Review *Review `json:"review,omitempty"` // of kind review

	// Forge is the repository whose forge is told of the run from its beginning.
	Forge string `json:"forge,omitempty"`

	Phase         Phase  `json:"phase,omitempty"`
	WaitingFor    string `json:"waiting_for,omitempty"`   // lock, freeze, approval or slot
	Repeats       string `json:"repeats,omitempty"`       // the run that has told people the same before: of a poll the try that an outage failed too, of a monitor and of an alarm what the other saw first
	Interruptions int    `json:"interruptions,omitempty"` // restarts of deployer that cut this run off after it began to change the target
}

// WaitApproval is Run.WaitingFor of a run that a person has to look at.
const WaitApproval = "approval"

// ShortCommit is a commit's hash as people write it.
func ShortCommit(hash string) string { return hash[:min(len(hash), 7)] }

// RunTarget is what a person asked for.
type RunTarget struct {
	Commit      string   `json:"commit,omitempty"`      // of a deploy: exactly this commit
	Environment string   `json:"environment,omitempty"` // another one than the stack's own
	Release     string   `json:"release,omitempty"`     // of a rollback: this fingerprint
	Backup      string   `json:"backup,omitempty"`      // of a restore: this backup
	Service     string   `json:"service,omitempty"`     // of a restart: this one alone
	Force       []string `json:"force,omitempty"`       // quarantine, lock, freeze
	Pin         bool     `json:"pin,omitempty"`
}

// Forced reports whether the person overrides the named obstacle.
func (t RunTarget) Forced(obstacle string) bool { return slices.Contains(t.Force, obstacle) }

// Stage returns the result of the named stage, nil where the run has none.
func (r *Run) Stage(name StageName) *StageResult {
	for i := range r.Stages {
		if r.Stages[i].Name == name {
			return &r.Stages[i]
		}
	}
	return nil
}
