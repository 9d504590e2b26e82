package state

import "time"

// A Notice is news of a run that somebody may have to be told. It is stored
// with what it tells of, so that a crash cannot lose it. Who tells, a sink,
// keeps the number of the last one that it told.
type Notice struct {
	Number uint64    `json:"-"` // in the order of what happened, from 1
	Run    string    `json:"run"`
	Status RunStatus `json:"status"` // of the run then
	At     time.Time `json:"at"`
	Commit string    `json:"commit,omitempty"` // of the run then, where a forge is told of it
}
