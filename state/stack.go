package state

import (
	"slices"
	"time"
)

// A Stack is what deployer remembers of a stack between runs.
type Stack struct {
	Name        string       `json:"name"`
	Live        *Release     `json:"live,omitempty"`      // whose containers run now
	LastGood    *Release     `json:"last_good,omitempty"` // newest that was verified
	Head        string       `json:"head,omitempty"`      // tip of the branch when last looked at
	HeadRelease string       `json:"head_release,omitempty"`
	Lock        *Lock        `json:"lock,omitempty"`
	Pin         *Pin         `json:"pin,omitempty"`
	Quarantined []Quarantine `json:"quarantined,omitempty"`
	Reads       []string     `json:"reads,omitempty"`    // files that the last resolve read
	Paths       []string     `json:"paths,omitempty"`    // patterns of pipeline.yaml that name more of them
	Judged      *Judgement   `json:"judged,omitempty"`   // of the last commit of the branch that a run ended on
	Readings    []Reading    `json:"readings,omitempty"` // of the monitor, as they last changed
	Alarms      []Reading    `json:"alarms,omitempty"`   // of containers that are down, until they are well
	Left        *Left        `json:"left,omitempty"`     // what a failed run has left down, as it said itself
	Schedule    *Schedule    `json:"schedule,omitempty"`
	Stopped     *Stopped     `json:"stopped,omitempty"`
	Warning     string       `json:"warning,omitempty"`   // what a person should know of its place in the repository
	Proposals   []Proposal   `json:"proposals,omitempty"` // pull requests on its branch, by their newest review
	Project     string       `json:"project,omitempty"`   // of Compose, that Live was deployed as
	Shelf       string       `json:"shelf,omitempty"`     // the name that its files, images and archives are kept under; empty: its own
}

// A Reading is what a check of the monitor last said of the live release, or
// what is the matter with a container of it.
type Reading struct {
	Key     string     `json:"key"` // what the check tests
	Check   string     `json:"check"`
	Status  StepStatus `json:"status"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	Since   time.Time  `json:"since"`         // when it began to say so
	Run     string     `json:"run,omitempty"` // that told people so

	// Of the last look; they are not stored.
	At       time.Time     `json:"-"`
	Took     time.Duration `json:"-"`
	Measured *Measure      `json:"-"`
}

// A Measure is a number that a check has read, such as the days that a
// certificate is left.
type Measure struct {
	Name  string // of a metric: certificate_days_left, volume_used_bytes
	Value float64
}

// Left is what a failed run has left down, until it is well.
type Left struct {
	Run    string   `json:"run"`
	Looked bool     `json:"looked,omitempty"` // since the run; before that it is all that is down
	Units  []string `json:"units,omitempty"`  // containers, by service and number
}

// A Schedule is when the live release wants backups.
type Schedule struct {
	Spec string    `json:"spec"` // as pipeline.yaml has it
	Last time.Time `json:"last"` // when the newest one became due, or the schedule came into force
}

// Stopped is a container that deployer has stopped for a moment, and that it
// starts again.
type Stopped struct {
	Container string    `json:"container"` // its id
	Name      string    `json:"name"`
	Run       string    `json:"run"`
	At        time.Time `json:"at"`
}

// A Judgement is how the newest run for the branch ended.
type Judgement struct {
	Commit  string    `json:"commit"`
	Release string    `json:"release,omitempty"` // fingerprint, once the project was resolved
	Run     string    `json:"run"`
	Status  RunStatus `json:"status"`
	// Again says that the same commit is worth another try without a person:
	// the run failed before it changed anything.
	Again bool `json:"again,omitempty"`
	// Outage says that it failed on something unreachable, so that poll tries again too.
	Outage bool `json:"outage,omitempty"`
}

// A Lock holds pushes back.
type Lock struct {
	Reason string    `json:"reason"`
	By     string    `json:"by"` // a person, or "deployer"
	At     time.Time `json:"at"`
}

// A Pin holds a stack on a release that a person chose.
type Pin struct {
	Commit string    `json:"commit"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Quarantine holds a release back, in the place of an older reason.
func (s *Stack) Quarantine(q Quarantine) {
	s.DropQuarantine(q.Release)
	s.Quarantined = append(s.Quarantined, q)
}

// DropQuarantine lets a release, by its fingerprint, be deployed again.
func (s *Stack) DropQuarantine(release string) {
	s.Quarantined = slices.DeleteFunc(s.Quarantined, func(q Quarantine) bool { return q.Release == release })
}

// FindQuarantine returns the quarantine of a release, nil where there is none.
func (s *Stack) FindQuarantine(release string) *Quarantine {
	for i := range s.Quarantined {
		if s.Quarantined[i].Release == release {
			return &s.Quarantined[i]
		}
	}
	return nil
}

// Sync is how the live release relates to the branch.
type Sync string

const (
	SyncInSync        Sync = "in_sync"
	SyncBehind        Sync = "behind"
	SyncPinned        Sync = "pinned"
	SyncQuarantined   Sync = "quarantined"
	SyncNeverDeployed Sync = "never_deployed"
)

// Sync derives how the live release relates to the branch's tip.
func (s *Stack) Sync() Sync {
	switch {
	case s.Live == nil && s.LastGood == nil && (len(s.Quarantined) == 0 || s.HeadRelease == ""):
		return SyncNeverDeployed
	case s.Pin != nil:
		return SyncPinned
	case s.HeadRelease != "" && s.FindQuarantine(s.HeadRelease) != nil:
		return SyncQuarantined
	case s.Live == nil:
		return SyncNeverDeployed
	case s.Head == s.Live.Commit && s.Head != "" || (s.HeadRelease != "" && s.HeadRelease == s.Live.ID):
		return SyncInSync
	}
	return SyncBehind
}
