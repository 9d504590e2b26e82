package state

import "time"

// An AuditEntry says who did what, when and from where.
type AuditEntry struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Role   string    `json:"role,omitempty"`
	Action string    `json:"action"` // "deploy", "lock", …
	Stack  string    `json:"stack,omitempty"`
	Run    string    `json:"run,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Remote string    `json:"remote,omitempty"` // address the request came from
}
