package project

import "time"

// A Condition is how a container is, as the Engine says when it is asked for
// that one. Its Restarts are those by its restart policy since it was last
// started otherwise.
type Condition struct {
	Container
	Silent     bool // the Engine lists it, but did not answer for it in time: the rest is not known
	StartedAt  time.Time
	FinishedAt time.Time // when it last ended; zero: it never did

	RestartPolicy string // no, always, unless-stopped, on-failure
	EndsByItself  bool   // exit code 0 is a success
	Signalled     bool   // it ended after it was told to, as far back as the Engine remembers
	OOMKilled     bool
	Error         string // why the Engine could not start it

	HealthOutput   string    // what its health check said last, and its exit code
	UnhealthySince time.Time // the first of the failures in a row that the Engine remembers
}
