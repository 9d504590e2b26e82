package state

import "time"

// StageName names a stage of a run.
type StageName string

const (
	StageFetch     StageName = "fetch"
	StageDecrypt   StageName = "decrypt"
	StagePreflight StageName = "preflight"
	StageApproval  StageName = "approval"
	StageDeploy    StageName = "deploy"
	StageVerify    StageName = "verify"
	StageRollback  StageName = "rollback"
	StageBackup    StageName = "backup"
	StageRestore   StageName = "restore"
)

// StageStatus is where a stage stands.
type StageStatus string

const (
	StagePending StageStatus = "pending"
	StageRunning StageStatus = "running"
	StagePassed  StageStatus = "passed"
	StageFailed  StageStatus = "failed"
	StageSkipped StageStatus = "skipped"
)

// A StageResult is what one stage of a run did.
type StageResult struct {
	Name       StageName   `json:"name"`
	Status     StageStatus `json:"status"`
	StartedAt  *time.Time  `json:"started_at,omitempty"`
	FinishedAt *time.Time  `json:"finished_at,omitempty"`
	Steps      []Step      `json:"steps"`
}

// StepStatus is the outcome of a step.
type StepStatus string

const (
	StepPassed  StepStatus = "passed"
	StepFailed  StepStatus = "failed"
	StepWarned  StepStatus = "warned"
	StepSkipped StepStatus = "skipped" // it did not run; Message says why
)

// A Step is one check or one action inside a stage, with its evidence.
type Step struct {
	Name       string     `json:"name"`
	Status     StepStatus `json:"status"`
	Message    string     `json:"message"`        // the evidence, for people
	Hint       string     `json:"hint,omitempty"` // what to do next
	DurationMS int64      `json:"duration_ms"`
}
