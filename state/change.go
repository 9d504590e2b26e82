package state

// ServiceAction is what a deploy does to a service.
type ServiceAction string

const (
	ActionCreate   ServiceAction = "create"
	ActionRecreate ServiceAction = "recreate"
	ActionKeep     ServiceAction = "keep"
	ActionRemove   ServiceAction = "remove"
)

// Changes is what a deploy would change, or has changed.
type Changes struct {
	Services []ServiceChange `json:"services"`
}

// A ServiceChange says what happens to one service and why.
type ServiceChange struct {
	Name   string        `json:"name"`
	Action ServiceAction `json:"action"`
	Why    string        `json:"why,omitempty"` // "image", "environment DB_HOST, mounts"; never a secret value
}

// Empty reports whether every service is kept.
func (c *Changes) Empty() bool {
	for _, s := range c.Services {
		if s.Action != ActionKeep {
			return false
		}
	}
	return true
}
