package state

// ServiceAction is what a deploy does to a service.
type ServiceAction string

const (
	ActionCreate   ServiceAction = "create"
	ActionRecreate ServiceAction = "recreate"
	ActionKeep     ServiceAction = "keep"
	ActionRemove   ServiceAction = "remove"
)

// ChangeKind says what becomes of something that a plan names.
type ChangeKind string

const (
	ChangeAdded   ChangeKind = "added"
	ChangeRemoved ChangeKind = "removed"
	ChangeChanged ChangeKind = "changed"
)

// Changes is what a deploy would change, or has changed. Services say it all;
// the rest, where it is known, says it in detail. Nothing in it is secret.
type Changes struct {
	Services []ServiceChange `json:"services"`

	Against  string         `json:"against,omitempty"` // commit that the details compare with; empty: nothing was deployed
	Images   []ImageChange  `json:"images,omitempty"`
	Ports    []PortChange   `json:"ports,omitempty"`
	Volumes  []NamedChange  `json:"volumes,omitempty"`
	Networks []NamedChange  `json:"networks,omitempty"`
	Values   []ValueChange  `json:"values,omitempty"`  // public variables of the env file
	Passed   []PassedChange `json:"passed,omitempty"`  // variables that services get, by name
	Secrets  []NamedChange  `json:"secrets,omitempty"` // secret ones, by name only
	Files    []NamedChange  `json:"files,omitempty"`   // mounted, by path
	Pipeline []LineChange   `json:"pipeline,omitempty"`
	Checks   []Step         `json:"checks,omitempty"` // of preflight: those that touch nothing, and why the others did not run
	Notes    []string       `json:"notes,omitempty"`  // what to know of the plan as a whole
}

// A ServiceChange says what happens to one service and why.
type ServiceChange struct {
	Name   string        `json:"name"`
	Action ServiceAction `json:"action"`
	Why    string        `json:"why,omitempty"` // "image", "environment DB_HOST, mounts"; never a secret value. Of one that is kept: what it gets more or less of.
}

// Changes reports whether anything happens to the service: where the
// containers that are there are kept, there may be more or fewer of them.
func (s ServiceChange) Changes() bool { return s.Action != ActionKeep || s.Why != "" }

// An ImageChange is another image of a service; one side is empty where the
// service is new or goes.
type ImageChange struct {
	Service   string `json:"service"`
	Old       string `json:"old,omitempty"` // reference, or the id where that is all that is known
	New       string `json:"new,omitempty"`
	OldDigest string `json:"old_digest,omitempty"` // of the repository, else the id of the image
	NewDigest string `json:"new_digest,omitempty"` // empty where the image is not on the Engine yet
}

// A PortChange is a port of the host that is opened or closed.
type PortChange struct {
	Service string     `json:"service"`
	Port    string     `json:"port"` // 127.0.0.1:8080:80/udp
	Kind    ChangeKind `json:"kind"` // added, removed
}

// A NamedChange is a change of what people know by its name.
type NamedChange struct {
	Name string     `json:"name"`
	Kind ChangeKind `json:"kind"`
	// Dangerous says that data may not follow.
	Dangerous bool   `json:"dangerous,omitempty"`
	Why       string `json:"why,omitempty"`
}

// A ValueChange is another value of a public variable.
type ValueChange struct {
	Name string     `json:"name"`
	Kind ChangeKind `json:"kind"`
	Old  string     `json:"old,omitempty"`
	New  string     `json:"new,omitempty"`
}

// A PassedChange is a variable that a service gets, or gets no longer.
type PassedChange struct {
	Service string     `json:"service"`
	Name    string     `json:"name"`
	Kind    ChangeKind `json:"kind"`
}

// A LineChange is a line of a file that comes or goes.
type LineChange struct {
	Kind ChangeKind `json:"kind"` // added, removed
	Line int        `json:"line"` // from 1, in the file that has it
	Text string     `json:"text"`
}

// Empty reports whether every service is kept as it is.
func (c *Changes) Empty() bool {
	for _, s := range c.Services {
		if s.Changes() {
			return false
		}
	}
	return true
}
